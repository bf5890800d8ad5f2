/** A process with an embedded Postgres: `embedded-child <data dir>`. Prints one JSON line; ends when its input does. */
import { once } from "node:events";
import { startEmbeddedPostgres } from "../../src/db/embedded/postgres.js";

const [dataDir = ""] = process.argv.slice(2);
const embedded = await startEmbeddedPostgres({
  dataDir,
  durable: false,
  settings: { shared_buffers: "16MB" },
});
process.stdout.write(`${JSON.stringify({ url: embedded.url, attached: embedded.attached })}\n`);
await once(process.stdin.resume(), "close");
await embedded.stop();
