import { openSync, readSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

// Loaded into a server before its own code: tells whoever started it how long the turns of its event loop took.

const turns = process.platform === "linux" ? computed() : waited();
process.on("message", () => process.send?.(turns()));
// Nobody who listens should keep the server from ending.
process.channel?.unref();

/** What the main thread computed within each turn, which what else the machine does has no part in. */
function computed() {
  const file = openSync("/proc/self/schedstat", "r");
  const bytes = Buffer.alloc(100);
  const nowMs = () =>
    Number(bytes.toString("latin1", 0, readSync(file, bytes, 0, 100, 0)).split(" ")[0]) / 1e6;
  let sinceMs = nowMs();
  let times = [];
  const turn = () => {
    const ms = nowMs();
    times.push(ms - sinceMs);
    sinceMs = ms;
    setImmediate(turn).unref();
  };
  setImmediate(turn).unref();
  return () => {
    const sorted = times.sort((a, b) => a - b);
    times = [];
    return { maxMs: sorted.at(-1) ?? 0, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
  };
}

/** By how much a timer that is due each millisecond is late. */
function waited() {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  return () => {
    const told = { maxMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 };
    delay.reset();
    return told;
  };
}
