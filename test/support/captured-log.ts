import { Writable } from "node:stream";
import { createLogger } from "../../src/observability/logger.js";

/** A log at the most talkative level, and all that was written to it. */
export function capturedLog() {
  let text = "";
  const stream = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  return { log: createLogger({ level: "trace", format: "json" }, stream as never), text: () => text };
}
