import { monitorEventLoopDelay } from "node:perf_hooks";

// Loaded into a server before its own code: tells whoever started it how long its event loop was ever held up.
// A millisecond's resolution: what waits is measured against a timer that is due each millisecond.
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on("message", () => {
  process.send?.({ maxMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 });
  delay.reset();
});
// Nobody who listens should keep the server from ending.
process.channel?.unref();
