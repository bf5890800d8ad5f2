import pretty from "pino-pretty";

/** Prints each entry as one readable line, for a person at a terminal. */
export function pinoPretty(stream: NodeJS.WriteStream) {
  return pretty({
    colorize: stream.isTTY,
    translateTime: "SYS:HH:MM:ss",
    ignore: "pid,hostname",
    singleLine: true,
    destination: stream,
    sync: true,
  });
}
