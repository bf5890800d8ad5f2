/**
 * Everybody whom a filter keeps as a CSV file for a spreadsheet, in constant memory.
 *
 *     MIRROR_URL=http://127.0.0.1:8787 MIRROR_API_KEY=um_… npx tsx examples/spreadsheet.ts users.csv 'banned eq false'
 *
 * The filter is SCIM or JSON. The key needs the scope users:read.
 */
import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";

const { MIRROR_URL = "http://127.0.0.1:8787", MIRROR_API_KEY = "" } = process.env;
const [file = "users.csv", filter = "{}"] = process.argv.slice(2);
const fields = [
  "id",
  "first_name",
  "last_name",
  "email_address",
  "email_domain",
  "public_metadata.plan",
  "created_at",
];

const query = new URLSearchParams({ filter, fields: fields.join(",") });
const answer = await fetch(`${MIRROR_URL}/mirror/users?${query}`, {
  headers: { authorization: `Bearer ${MIRROR_API_KEY}`, accept: "text/csv" },
});
if (!answer.ok || !answer.body) throw new Error(`${answer.status}: ${await answer.text()}`);

// A stream that is cut rejects here, so that a file under its own name is always whole.
await pipeline(Readable.fromWeb(answer.body as ReadableStream), createWriteStream(`${file}.part`));
await rename(`${file}.part`, file);
console.log(`${file} is written`);
