import { defineConfig } from "vitest/config";

export default defineConfig({
  // As in tsconfig.json: examples import what applications do.
  resolve: { alias: { "user-mirror/client": new URL("./src/client/client.ts", import.meta.url).pathname } },
  // Without the warnings that a package's source maps are missing.
  logLevel: "error",
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/check/**", "test/**/*.system.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Databases are cloned and processes started in tests: slower than vitest's defaults on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
    // It imports JSON without saying so, which Node doesn't take.
    server: { deps: { inline: [/@actions\/workflow-parser/] } },
    pool: "forks",
    // A worker imports the modules once for all its files: a fifth of the processor time of the tests.
    isolate: false,
    // One more than the cores that the tests are made for: many of them wait for most of their time.
    maxWorkers: 3,
  },
});
