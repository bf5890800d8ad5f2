import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { removeEmbedded, startEmbeddedPostgres } from "../../src/db/embedded/postgres.js";
import { migrateDatabase } from "../../src/db/setup/migrate.js";
import { buildPrograms } from "./build-programs.js";

declare module "vitest" {
  export interface ProvidedContext {
    /** The cluster's own database; clones are made from its `template_mirror`. */
    clusterUrl: string;
    /** The folder with the compiled programs (`programs.ts`). */
    programs: string;
  }
}

/** For the whole run: the programs that tests start, compiled, and one Postgres. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [programs, cluster] = await Promise.all([buildPrograms(), startCluster()]);
  project.provide("programs", programs);
  project.provide("clusterUrl", cluster.url);
  return async () => {
    await cluster.remove();
    rmSync(programs, { recursive: true, force: true });
  };
}

/** Fast because nothing in it must survive, with a migrated database to clone. */
async function startCluster(): Promise<{ url: string; remove: () => Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), "user-mirror-test-"));
  chmodSync(dataDir, 0o755);
  const cluster = await startEmbeddedPostgres({
    dataDir,
    database: "template_mirror",
    durable: false,
    settings: { shared_buffers: "256MB", max_wal_size: "1GB" },
  });
  await migrateDatabase({ url: cluster.url });
  const url = cluster.url.replace(/\/[^/]*$/, "/postgres");
  // A template can't be cloned while somebody is connected to it.
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`alter database template_mirror with allow_connections false`;
  await sql.end();
  const remove = async () => {
    await cluster.stop();
    removeEmbedded(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { url, remove };
}
