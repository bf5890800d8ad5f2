import { type ChildProcess, spawn } from "node:child_process";
import type { RunAs } from "./binaries.js";

/** The server's programs see no locale or variable of ours. */
const CLEAN_ENVIRONMENT = { LC_ALL: "C", LANG: "C", TZ: "UTC", PATH: "/usr/bin:/bin" };

/**
 * Runs a program, says its pid, and ends it when our end of the pipe on its standard input closes, which the kernel
 * does however we die. Until then the terminal's Ctrl-C doesn't reach it. SIGINT is sent until it has an effect: in
 * its first moments the program ignores it, like everything that a shell runs in the background. After 10 seconds
 * comes SIGQUIT, on which Postgres ends without writing anything out and kills those of its processes that don't end;
 * and SIGCONT, without which a stopped process hears of nothing. After 20 seconds comes SIGKILL.
 */
const WATCHER = `exec 3<&0 </dev/null
"$@" 3<&- >/dev/null & pid=$!
echo $pid
end() {
  n=0
  while kill -INT $pid 2>/dev/null; do
    n=$((n + 1))
    [ $n -eq 100 ] && kill -QUIT $pid 2>/dev/null && kill -CONT $pid 2>/dev/null
    [ $n -ge 200 ] && kill -KILL $pid 2>/dev/null
    sleep 0.1 || sleep 1
  done
}
trap 'end &' INT TERM HUP
( exec >/dev/null; read -r _ <&3; end ) & reader=$!
exec 3<&- >/dev/null
while :; do wait $pid; code=$?; kill -0 $pid 2>/dev/null || break; done
kill $reader 2>/dev/null
exit $code`;

/** A program under the watcher, which is the `child`. */
export interface Watched {
  child: ChildProcess;
  /** The program's own pid. Null until the watcher has said it. */
  pid(): number | null;
  /** The end of what it printed to its standard error. */
  printed(): string;
}

/** `child.stdin.end()` ends the program. The child keeps our process alive only while it is waited for. */
export function spawnWatched(
  command: readonly string[],
  runAs: RunAs | null,
  onPrinted: (text: string) => void = () => {},
): Watched {
  const child = spawn("/bin/sh", ["-c", WATCHER, "watcher", ...command], {
    cwd: "/",
    env: CLEAN_ENVIRONMENT,
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    ...(runAs ?? {}),
  });
  let said = "";
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    printed = (printed + chunk).slice(-8192);
    onPrinted(String(chunk));
  });
  // A program that ended before it was told to: its exit says so.
  child.stdin.on("error", () => {});
  return { child, pid: () => (said.endsWith("\n") ? Number(said) : null), printed: () => printed };
}
