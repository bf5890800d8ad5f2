import { type Logger, pino } from "pino";
import { loggableError } from "./loggable-error.js";
import { pinoPretty } from "./pretty.js";

export type { Logger };

export interface LogOptions {
  level: string;
  format: "json" | "pretty";
}

type LogStream = NodeJS.WriteStream & { fd?: number };

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
export function createLogger(options: LogOptions, stream: LogStream = process.stdout): Logger {
  const settings = {
    level: options.level,
    redact: REDACT,
    serializers: { err: loggableError },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (options.format === "pretty") return pino(settings, pinoPretty(stream));
  // What is logged while a write is under way goes out with the next; a process that ends by itself writes the rest.
  return pino(
    settings,
    stream.fd === undefined ? stream : pino.destination({ dest: stream.fd, sync: false }),
  );
}

export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
