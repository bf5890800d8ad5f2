import { type Logger, pino } from "pino";
import { loggableError } from "./loggable-error.js";
import { pinoPretty } from "./pretty.js";

export type { Logger };

export interface LogOptions {
  level: string;
  format: "json" | "pretty";
}

/** Secrets are never logged: redaction is the second line behind logging an allow-list. */
const REDACT = [
  "authorization",
  "*.authorization",
  "headers.authorization",
  "password",
  "*.password",
  "code",
  "secretKey",
];

/** Logs go to standard error in the CLI's commands and to standard output in the server. */
export function createLogger(options: LogOptions, stream: NodeJS.WriteStream = process.stdout): Logger {
  const settings = {
    level: options.level,
    redact: REDACT,
    serializers: { err: loggableError },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return options.format === "pretty" ? pino(settings, pinoPretty(stream)) : pino(settings, stream);
}

export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
