import { join } from "node:path";
import { inject } from "vitest";

/** A program of the checkout as it was compiled for this run: `node` runs it without more. */
export const program = (source: string): string => join(inject("programs"), source.replace(/\.ts$/, ".js"));

/** The command line. */
export const CLI = program("src/cli/main.ts");
