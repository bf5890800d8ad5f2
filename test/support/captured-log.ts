import { Writable } from "node:stream";
import { createLogger } from "../../src/observability/logger.js";

/** A log, at the most talkative level if none is given, and all that was written to it. */
export function capturedLog(level = "trace") {
  let text = "";
  const stream = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  return { log: createLogger({ level, format: "json" }, stream as never), text: () => text };
}
