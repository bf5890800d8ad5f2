#!/usr/bin/env node
import { CommanderError } from "commander";
import { AppError, reasonOf } from "../lib/errors.js";
import { isDebugging } from "./context.js";
import { outliveReaders } from "./output.js";
import { createProgram } from "./program.js";

/** Exit codes. `usage`: wrong arguments; `configuration`: a wrong environment (EX_CONFIG of sysexits). */
const EXIT = { failed: 1, usage: 2, configuration: 78 };

outliveReaders();
try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof AppError) {
    // What is said of a parameter in short, "is invalid", goes without saying beside the rest.
    const texts = error.code === "invalid_request" ? [error.longMessage] : [error.message, error.longMessage];
    process.stderr.write(
      texts
        .filter(Boolean)
        .map((text) => `${text}\n`)
        .join(""),
    );
    return error.code === "configuration"
      ? EXIT.configuration
      : error.code === "usage"
        ? EXIT.usage
        : EXIT.failed;
  }
  process.stderr.write(
    isDebugging() && error instanceof Error ? `${error.stack}\n` : `Failed: ${reasonOf(error)}\n`,
  );
  return EXIT.failed;
}
