// Covers src/db/embedded/{cluster,server}.ts

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unprivilegedUser } from "../../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../../src/db/embedded/cluster.js";
import { removeEmbedded, startEmbeddedPostgres } from "../../../src/db/embedded/postgres.js";
import { processesOf } from "../../support/processes.js";

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
