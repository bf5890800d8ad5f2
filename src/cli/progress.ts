import { type Options, Presets, SingleBar } from "cli-progress";

/** How far long work has come. `total` is 0 or null while it isn't known. */
export interface Progress {
  phase: string;
  done: number;
  total: number | null;
}

export interface ProgressReporter {
  report(progress: Progress): void;
  /** Ends the bar, so that the next output starts on a new line. */
  end(): void;
}

/** How often a plain line is written at most: people read these logs, and storing them costs money. */
const LINE_EVERY_MS = 5000;

/** A bar on a terminal, plain lines elsewhere, nothing when the output is for a program (`--json`). */
export function createProgress(stream: NodeJS.WriteStream, quiet = false): ProgressReporter {
  if (quiet) return { report() {}, end() {} };
  return stream.isTTY ? bar(stream) : lines(stream);
}

function bar(stream: NodeJS.WriteStream): ProgressReporter {
  const options: Options = {
    stream,
    format: "{phase} {bar} {value}/{total} | {percentage}% | {eta_formatted} left",
    hideCursor: true,
    barsize: 30,
  };
  let current: { phase: string; bar: SingleBar } | null = null;
  function end() {
    current?.bar.stop();
    current = null;
  }
  return {
    report({ phase, done, total }) {
      if (current?.phase !== phase) {
        end();
        current = { phase, bar: new SingleBar(options, Presets.shades_classic) };
        current.bar.start(Math.max(total ?? 0, done), 0, { phase: phase.padEnd(13) });
      }
      current.bar.setTotal(Math.max(total ?? 0, done));
      current.bar.update(done);
    },
    end,
  };
}

function lines(stream: NodeJS.WriteStream): ProgressReporter {
  let last = { phase: "", atMs: 0, done: -1 };
  let pending: Progress | null = null;
  function print({ phase, done, total }: Progress) {
    last = { phase, atMs: Date.now(), done };
    pending = null;
    const share = total ? ` of ${total} (${Math.floor((100 * Math.min(done, total)) / total)} %)` : "";
    stream.write(total === null && done === 0 ? `${phase} …\n` : `${phase}: ${done}${share}\n`);
  }
  return {
    report(progress) {
      const { phase, done, total } = progress;
      const finished = total !== null && done >= total;
      if (phase === last.phase && done === last.done) return;
      if (phase !== last.phase && pending) print(pending);
      if (phase !== last.phase || finished || Date.now() - last.atMs >= LINE_EVERY_MS) print(progress);
      else pending = progress;
    },
    end() {
      if (pending) print(pending);
    },
  };
}
