import { readFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import type postgresType from "postgres";

const MENDS: readonly [faulty: string, mended: string][] = [
  [
    "    const x = socket.write(chunk, fn)\n",
    `    if (socket === null) {
      clearImmediate(nextWriteTimer)
      chunk = nextWriteTimer = null
      error(Errors.connection('CONNECTION_CLOSED', options, socket))
      return true
    }
    const x = socket.write(chunk, fn)
`,
  ],
  [
    "    clearImmediate(nextWriteTimer)\n    socket.removeListener",
    "    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n    socket.removeListener",
  ],
  // What was sent between a socket's error and its end is told of neither.
  ["    !hadError && (query || sent.length) && error(", "    ;(query || sent.length) && error("],
  // A connection begins with the statement that stands in place of asking for array types (`session.ts`).
  [
    "    needsTypes = false\n    const types",
    `    needsTypes = false
    if (typeof options.fetch_types === 'string')
      return new Query([options.fetch_types], [], execute, null, { simple: true }).catch(noop)
    const types`,
  ],
  // What ended one connection must not be told to the first query of the next.
  [
    "    closedTime = performance.now()\n    hadError",
    "    ;[query, errorResponse, closedTime] = [null, null, performance.now()]\n    hadError",
  ],
];

/**
 * postgres.js with four faults of its 3.4.9 mended, all in what it does while a connection closes. With a write that
 * waits, it crashes the process (porsager/postgres#1154, #1208: a transaction's ROLLBACK behind a server that went away
 * is enough), the connection never sends anything again, or its query is never answered; and a query that the server
 * ended with its connection makes the next one on it fail too. And it gains what it lacks: a statement that each connection
 * begins with. None can be done from outside, so the file is changed as it is loaded. A version without these lines is
 * loaded as it is, and the test of this file says when that day has come.
 */
export const postgres = loadMended();

/** The source with the faults mended, and how many of them were there. */
export function mend(source: string): { text: string; found: number } {
  const found = MENDS.filter(([faulty]) => source.includes(faulty));
  return {
    text: found.reduce((text, [faulty, mended]) => text.replace(faulty, mended), source),
    found: found.length,
  };
}

interface Compiling extends Module {
  _compile(source: string, file: string): void;
}

function loadMended(): typeof postgresType {
  const require = createRequire(import.meta.url);
  const entry = require.resolve("postgres");
  const file = join(dirname(entry), "connection.js");
  const module = new Module(file) as Compiling;
  module.filename = file;
  module._compile(mend(readFileSync(file, "utf8")).text, file);
  module.loaded = true;
  require.cache[file] = module;
  return require(entry) as typeof postgresType;
}
