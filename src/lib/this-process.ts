import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** This process, told apart from every other on any machine: host, where process ids mean the same, id, and chance. */
export const THIS_PROCESS = `${hostname()}/${pidSpace()}/${process.pid}/${randomBytes(4).toString("hex")}`;

/** Whether the process whose name this begins with ran here, where we could see it, and doesn't any more. */
export function hasDied(name: string): boolean {
  const [, space, pid] = name.split("/");
  if (space !== pidSpace() || !/^\d+$/.test(pid ?? "") || name.startsWith(THIS_PROCESS)) return false;
  // Its id was given to us: it must be gone.
  if (Number(pid) === process.pid) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Containers and machines may share names and process ids; a boot and its namespace of processes are one of a kind. */
function pidSpace(): string {
  const parts = [
    () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"),
    () => readlinkSync("/proc/self/ns/pid"),
  ];
  try {
    return createHash("sha256")
      .update(parts.map((read) => read()).join())
      .digest("hex")
      .slice(0, 12);
  } catch {
    return "unknown";
  }
}
