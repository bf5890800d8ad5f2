import { defineConfig } from "vitest/config";
import base from "../vitest.config.js";

/** The tests that need programs of the system (test/support/system-packages.ts): `npm run test:system`. */
export default defineConfig({
  test: {
    ...base.test,
    // Browsers and servers take whole cores.
    maxWorkers: 2,
    include: ["test/**/*.system.test.ts"],
    exclude: [],
    // The first says what is missing before the second starts anything.
    globalSetup: ["test/support/system-packages.ts", "test/support/global-setup.ts"],
  },
});
