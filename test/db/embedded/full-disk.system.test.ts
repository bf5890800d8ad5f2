// Covers src/db/embedded/{cluster,server}.ts, src/runtime/doctor/machine.ts

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { unprivilegedUser } from "../../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../../src/db/embedded/cluster.js";
import { removeEmbedded, startEmbeddedPostgres } from "../../../src/db/embedded/postgres.js";
import { processesOf } from "../../support/processes.js";
import { CLI } from "../../support/programs.js";

/** What `doctor` finds wrong beside the missing key, in a process. `before`: words of a shell that stand before it. */
async function doctorSays(folder: string, before = ""): Promise<unknown[]> {
  const command = ["-c", `${before} exec "$0" "$1" doctor --json`, process.execPath, CLI];
  const child = spawn("unshare", ["--mount", "sh", ...command], {
    env: { PATH: process.env.PATH ?? "", DATA_DIR: folder, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [printed] = await Promise.all([text(child.stdout), once(child, "close")]);
  const { checks } = JSON.parse(printed) as { checks: { name: string; status: string }[] };
  return checks.filter(({ name, status }) => status === "failed" && name !== "configuration");
}

test("doctor finds /dev/shm too small where a container has little of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-shm-"));
  try {
    expect(await doctorSays(folder, "mount -t tmpfs -o size=16m tmpfs /dev/shm &&")).toEqual([
      {
        ...{ name: "/dev/shm", status: "failed" },
        ...{
          message: expect.stringContaining("16 MiB of 16 MiB free"),
          fix: expect.stringContaining("--shm-size"),
        },
      },
    ]);
  } finally {
    removeEmbedded(folder);
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Mounts a small disk, which only root may, and not in every container. */
test.each(["6m", "30m"])(
  "a DATA_DIR on a disk of %s is refused with the reason, and works when there is room",
  async (size) => {
    const folder = mkdtempSync(join(tmpdir(), "user-mirror-disk-"));
    const location = embeddedLocation(folder, unprivilegedUser());
    const start = () =>
      startEmbeddedPostgres({ dataDir: folder, durable: false, settings: { shared_buffers: "16MB" } });
    mkdirSync(location, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", location]);
    try {
      await expect(start()).rejects.toMatchObject({
        code: "configuration",
        message: expect.stringMatching(/DATA_DIR.*(No space left|ENOSPC)/s),
      });
      await expect.poll(() => processesOf(location), { timeout: 60_000 }).toEqual([]);
      expect(await doctorSays(folder)).toEqual([
        {
          ...{
            name: "disk",
            status: "failed",
            message: expect.stringMatching(`^\\d+ MiB free for .*${location}`),
          },
          fix: expect.stringMatching(/^Make room: 512 MiB at least/),
        },
        {
          ...{ name: "database", status: "failed" },
          message: expect.stringMatching(/DATA_DIR.*(No space left|ENOSPC)/s),
          fix: expect.stringMatching(/some hundred MB free/),
        },
      ]);
      execFileSync("mount", ["-o", "remount,size=300m", location]);
      const embedded = await start();
      expect(embedded.attached).toBe(false);
      await embedded.stop();
    } finally {
      execFileSync("umount", ["-l", location]);
      removeEmbedded(folder);
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
