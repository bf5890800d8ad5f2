import { defineConfig } from "vitest/config";

/** The tests of the code's structure that `npm run check` runs: seconds, no database. */
export default defineConfig({
  test: { include: ["test/architecture.test.ts", "test/check/**/*.test.ts"], testTimeout: 60_000 },
});
