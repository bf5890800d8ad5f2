import { join } from "node:path";
import { silentLogger } from "../../src/observability/logger.js";
import { openStore, type Store } from "../../src/runtime/store.js";

/** DATABASE_URL, which is filled, or an embedded Postgres in `.data/bench`. */
export function createStoreFor(what: string): Promise<Store> {
  return openStore(
    {
      url: process.env.DATABASE_URL ?? null,
      notes: [],
      dataDir: process.env.DATA_DIR ?? join(".data", "bench", what),
      poolMax: 8,
    },
    silentLogger(),
  );
}
