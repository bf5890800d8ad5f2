import { type Logger, pino } from "pino";
import { loggableError } from "./loggable-error.js";
import { pinoPretty } from "./pretty.js";

export type { Logger };

/** The most talkative first. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export interface LogOptions {
  level: string;
  format: "json" | "pretty";
}

type LogStream = NodeJS.WriteStream & { fd?: number };

/** Secrets aren't logged in the first place, since only chosen fields are. Redaction is the second line of defence. */
const REDACT = [
  "authorization",
  "*.authorization",
  "headers.authorization",
  "password",
  "*.password",
  "code",
  "secretKey",
];

/** The server logs to standard output; commands log to standard error, since their result goes to standard output. */
export function createLogger(options: LogOptions, stream: LogStream = process.stdout): Logger {
  const settings = {
    level: options.level,
    redact: REDACT,
    serializers: { err: loggableError },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (options.format === "pretty") return pino(settings, pinoPretty(stream));
  // Lines that are logged during a write go out with the next one. When the process ends by itself, the rest is written.
  return pino(
    settings,
    stream.fd === undefined ? stream : pino.destination({ dest: stream.fd, sync: false }),
  );
}

export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
