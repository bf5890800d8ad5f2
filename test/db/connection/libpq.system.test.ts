// Covers src/lib/connection/{string,defaults,options}.ts

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConnections } from "../../../src/db/connection/connections.js";
import { completeConnection } from "../../../src/lib/connection/defaults.js";
import { formatConnectionString, parseConnectionString } from "../../../src/lib/connection/string.js";
import { startFakePostgres } from "../../support/fake-postgres.js";
import { POSTGRES_15 } from "../../support/system-packages.js";

let server: Awaited<ReturnType<typeof startFakePostgres>>;
let socketServer: Awaited<ReturnType<typeof startFakePostgres>>;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-libpq-"));
  server = await startFakePostgres();
  socketServer = await startFakePostgres(join(folder, ".s.PGSQL.5432"));
  writeFileSync(
    join(folder, "pass"),
    `# ours\nelsewhere:*:*:*:no\n127.0.0.1:*:d\\:b:ann:from\\:file\n${folder}:*:*:*:by socket\n`,
    { mode: 0o600 },
  );
});
afterAll(() => {
  server.close();
  socketServer.close();
  rmSync(folder, { recursive: true });
});

const heard = () => [...server.heard(), ...socketServer.heard()];

/** Who libpq takes itself for, with which password; null when it refuses the string. */
async function byLibpq(text: string, env: Record<string, string>) {
  heard();
  await promisify(execFile)(join(POSTGRES_15, "psql"), ["-w", "-d", text, "-c", "select 1"], {
    env: { HOME: folder, ...env },
  }).catch(() => {});
  return introduced();
}

async function byMirror(text: string, env: Record<string, string>) {
  heard();
  let url: string;
  try {
    const values = completeConnection(parseConnectionString(text).values, { HOME: folder, ...env });
    url = formatConnectionString(values);
    const sql = createConnections(url).open({
      name: "user-mirror",
      max: 1,
      limitMs: 5000,
      connectTimeout: 5,
    });
    await sql`select 1`.catch(() => {});
    await sql.end({ timeout: 1 });
  } catch {
    return null;
  }
  return introduced();
}

function introduced() {
  const [first] = heard();
  if (!first) return null;
  const { user, database, options = "" } = first.parameters;
  return { user, database: database ?? user, options, password: first.password || null };
}

const AT = "127.0.0.1:PORT";

test.each([
  `postgres://ann:secret@${AT}/db`,
  `postgresql://ann:secret@${AT}/db`,
  `postgres://ann:secret@${AT}`,
  `postgres://ann:secret@${AT}/`,
  `postgres://ann:se#cret@${AT}/db`,
  `postgres://ann:se%cret@${AT}/db`,
  `postgres://ann:100%@${AT}/db`,
  `postgres://ann:s%23%25%40%2F@${AT}/db`,
  `postgres://ann:a:b=c&d;e$f!@${AT}/db`,
  `postgres://ann:a?b@${AT}/db`,
  `postgres://ann:pä ss+wörd@${AT}/db`,
  `postgres://ann:\\"'<>^\`{}|@${AT}/db`,
  `postgres://ann:[x]@${AT}/db`,
  `postgres://ann:@${AT}/db`,
  `postgres://:secret@${AT}/db?user=ann`,
  `postgres://a%40b:secret@${AT}/d%20b%2F`,
  `postgres://ann:secret@${AT}/db#fragment`,
  `postgres://ann:secret@${AT}/db?`,
  `postgres://${AT}/db?user=ann&password=s%26x`,
  `postgres://bob:no@${AT}/no?user=ann&password=yes&dbname=db`,
  `postgres:///db?host=127.0.0.1&port=PORT&user=ann&password=x`,
  `postgres://ann:x@/db?host=127.0.0.1&port=PORT`,
  `postgres://ann:x@nowhere.invalid/db?hostaddr=127.0.0.1&port=PORT`,
  `postgres://ann:x@${AT}/db?application_name=mine&connect_timeout=3&keepalives=0&keepalives_idle=5`,
  `postgres://ann:x@${AT}/db?options=-c%20geqo%3Doff`,
  `postgres://ann:x@${AT}/db?sslmode=prefer`,
  `postgres://ann:x@${AT}/db?sslmode=allow`,
  `postgres://ann:x@${AT}/db?sslmode=disable&gssencmode=disable`,
  `postgres://ann:x@${AT}/db?sslmode=require`,
  `postgres://ann:x@${AT}/db?sslmode=sideways`,
  `postgres://ann:x@${AT}/db?sslmode=verify-full`,
  `postgres://ann:x@${AT}/db?target_session_attrs=any`,
  `postgres://ann:x@${AT}/db?target_session_attrs=sideways`,
  `postgres://ann:x@127.0.0.1:1,${AT}/db`,
  `postgres://ann:x@127.0.0.1,127.0.0.1:1,PORT/db`,
  `postgres://ann:x@127.0.0.1:1,127.0.0.1:2,${AT}/db`,
  `postgres://ann:x@[::1]:1,${AT}/db`,
  `postgres://ann:x@127.0.0.1,127.0.0.1/db?port=1,PORT`,
  `postgres://ann:x@127.0.0.1,127.0.0.1/db?port=PORT`,
  `postgres://ann:x@127.0.0.1,127.0.0.1/db?port=1,2,PORT`,
  `postgres://ann:x@[::1/db`,
  `postgres://ann:x@[]:1/db`,
  `postgres://ann:x@127.0.0.1:99999/db`,
  `postgres://ann:x@127.0.0.1:five/db`,
  `postgres:///db?host=FOLDER&user=ann&password=x`,
  `postgresql://ann:x@FOLDER%2F/db`,
  `postgresql://ann:x@ENCODED/db`,
  `postgresql://ann:x@ENCODED:5432/db`,
  `postgres://ann@${AT}/d:b?passfile=FOLDER/pass`,
  `postgres:///db?host=FOLDER&user=ann&passfile=FOLDER/pass`,
  `host=127.0.0.1 port=PORT user=ann password=x dbname=db`,
  `host = 127.0.0.1  port= PORT user ='ann' password='it\\'s \\\\ a secret' dbname=db`,
  `host=127.0.0.1 port=PORT user=ann password=x\\ y\\'z dbname=`,
  `host=127.0.0.1 port=PORT user=ann password='' dbname=db`,
  `host=127.0.0.1 port=PORT user=ann password='x dbname=db`,
  `host=127.0.0.1 port=PORT user=ann sideways=x`,
  `host=127.0.0.1 port=PORT user`,
])("reads %s as libpq does", async (template) => {
  const text = template
    .replaceAll("PORT", String(server.port))
    .replaceAll("ENCODED", encodeURIComponent(folder))
    .replaceAll("FOLDER", folder);
  expect(await byMirror(text, {})).toEqual(await byLibpq(text, {}));
});

test("takes from the environment what libpq takes", async () => {
  const env = {
    PGHOST: "127.0.0.1",
    PGPORT: String(server.port),
    PGUSER: "ann",
    PGPASSWORD: "secret",
    PGDATABASE: "db",
    PGOPTIONS: "-c geqo=off",
  };
  for (const text of ["postgres://", "postgres:///other", "postgres://bob@", "user=bob"]) {
    const mine = await byMirror(text, env);
    expect(mine).not.toBeNull();
    expect(mine).toEqual(await byLibpq(text, env));
  }
});
