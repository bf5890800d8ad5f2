import { hash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A name that no other process on any machine has: host, boot and process namespace, process id, random characters. */
export const THIS_PROCESS = `${hostname()}/${pidSpace()}/${process.pid}/${randomBytes(4).toString("hex")}`;

/** Whether the process with whose name `name` begins ran in our process namespace and has ended. */
export function hasDied(name: string): boolean {
  const [, space, pid] = name.split("/");
  if (space !== pidSpace() || !/^\d+$/.test(pid ?? "") || name.startsWith(THIS_PROCESS)) return false;
  // We have its process id now, so it must have ended.
  if (Number(pid) === process.pid) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Identifies the boot and the process namespace. Host names and process ids alone may repeat between containers and machines. */
function pidSpace(): string {
  const parts = [
    () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"),
    () => readlinkSync("/proc/self/ns/pid"),
  ];
  try {
    return hash("sha256", parts.map((read) => read()).join()).slice(0, 12);
  } catch {
    return "unknown";
  }
}
