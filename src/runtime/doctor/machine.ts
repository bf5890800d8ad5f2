import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { unprivilegedUser } from "../../db/embedded/binaries.js";
import { embeddedLocation } from "../../db/embedded/cluster.js";
import { check, type Finding, type Found, failed, ok, skipped } from "./check.js";

const MIB = 1024 * 1024;
/** A fresh cluster takes 60 MB, and a running one keeps some hundred MB of its log. */
const LEAST_DISK_BYTES = 512 * MIB;
/** Docker gives 64 MiB. With less, sorting and joining in parallel fails. */
const LEAST_SHARED_BYTES = 32 * MIB;

export interface MachineOptions {
  dataDir: string;
  embedded: boolean;
  /** Where Postgres has its shared memory. */
  sharedMemory?: string;
}

/** Whether this machine can run the mirror, and the embedded Postgres if that is the one. */
export async function checkMachine(options: MachineOptions): Promise<Finding[]> {
  return [
    await check("node", checkNode),
    await check("disk", () => checkDisk(options)),
    await check("/dev/shm", () => checkSharedMemory(options)),
  ];
}

function checkNode(): Found {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  return major > 20 || (major === 20 && minor >= 19)
    ? ok(`Node ${node}`)
    : failed(`Node ${node} is too old`, "Install Node 20.19 or later.");
}

function checkDisk({ dataDir, embedded }: MachineOptions): Found {
  if (!embedded) return skipped("the database isn't on this machine's account: DATABASE_URL is set");
  const location = embeddedLocation(dataDir, unprivilegedUser());
  const folder = nearestFolder(location);
  try {
    accessSync(nearestFolder(resolve(dataDir)), constants.W_OK);
  } catch {
    return failed(
      `DATA_DIR ${resolve(dataDir)} can't be written`,
      "Give this account the right, or set DATA_DIR to a folder of its own.",
    );
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  return free >= LEAST_DISK_BYTES
    ? ok(`${mib(free)} free for the embedded Postgres in ${location}`)
    : failed(
        `${mib(free)} free for the embedded Postgres in ${location}`,
        `Make room: ${mib(LEAST_DISK_BYTES)} at least. Or set DATA_DIR to another disk, or DATABASE_URL to another server.`,
      );
}

function nearestFolder(path: string): string {
  let folder = path;
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function checkSharedMemory({ embedded, sharedMemory = "/dev/shm" }: MachineOptions): Found {
  if (!embedded) return skipped("shared memory is the server's own matter: DATABASE_URL is set");
  if (process.platform !== "linux") return skipped("not on Linux");
  const fix =
    "Run the container with --shm-size=256m (Docker), shm_size: 256m (Compose), or an emptyDir of medium Memory at /dev/shm (Kubernetes).";
  if (!existsSync(sharedMemory)) return failed(`${sharedMemory} isn't there`, fix);
  const { blocks, bavail, bsize } = statfsSync(sharedMemory);
  const [total, free] = [blocks * bsize, bavail * bsize];
  return Math.min(total, free) >= LEAST_SHARED_BYTES
    ? ok(`${mib(free)} of ${mib(total)} free`)
    : failed(`${mib(free)} of ${mib(total)} free: Postgres may run out of shared memory`, fix);
}

const mib = (bytes: number) => `${Math.floor(bytes / MIB)} MiB`;
