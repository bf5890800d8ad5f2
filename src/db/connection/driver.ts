import { readFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import type postgresType from "postgres";

type Mend = readonly [there: string, instead: string];

/** By file of the driver. The order of files is the order in which they need each other. */
const MENDS: Readonly<Record<string, readonly Mend[]>> = {
  "queue.js": [
    ["    push: (x) => (xs.push(x), x),", "    push: (x) => (xs.push(x), x),\n    first: () => xs[index],"],
  ],
  "connection.js": [
    // A write that waits while its socket closes.
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
    // A statement whose parameters are all texts, and that isn't prepared, goes out whole: to ask for their types first is a
    // round trip.
    [
      "q.onlyDescribe || (parameters.length && !q.prepared)",
      "q.onlyDescribe || (parameters.length && !q.prepared && !(q.options.texts && !q.prepare))",
    ],
    // What ended one connection must not be told to the first query of the next. And a server that takes a connection and
    // closes it has failed as much as one that refuses.
    [
      "    closedTime = performance.now()\n    hadError && options",
      `    ;[query, errorResponse, closedTime] = [null, null, performance.now()]
    !ready && options`,
    ],
    [
      "    socket.removeAllListeners()\n    socket = null\n",
      "    socket.removeAllListeners()\n    socket = raw = null\n",
    ],
    ["    options.shared.retries = retries = 0\n", "    options.shared.retries = 0\n"],
    [
      "    result = new Result()\n    connectTimer.cancel()\n",
      "    result = new Result()\n    ready = true\n    connectTimer.cancel()\n",
    ],
    [
      "    if (initial)\n      return reconnect()\n",
      `    if (initial && Array.isArray(ssl) && retries % 2 === 0 && (!failure || failure.code !== '28000')) {
      retries++
      hostIndex = (hostIndex + 1) % port.length
    }
    if (initial && !terminated && ++retries < options.host.length)
      return reconnect()

    initial && errored(failure || Errors.connection('CONNECTION_CLOSED', options, socket))
    failure = null
`,
    ],
    // Of several hosts each is tried once, from the first on, and the last one's failure is told. The driver has begun with
    // whichever came after the one that worked, and with all of them refusing it tried them for ever, without a pause.
    [
      "      initial = query\n      reconnect()",
      "      initial = query\n      hostIndex = retries = 0\n      ready = terminated = false\n      reconnect()",
    ],
    // A pool that ended while one of its connections waited to be tried again opened it all the same, and kept it.
    [
      "    terminated = false\n    backendParameters = {}\n",
      "    if (terminated) return\n    backendParameters = {}\n",
    ],
    [
      "    if (connection.queue === queues.connecting && options.host[retries + 1])\n      return\n",
      `    if (initial && !terminated && options.host[retries + 1]) {
      failure = err
      return
    }
`,
    ],
    [
      "    } else {\n      errored(Errors.postgres(parseError(x)))\n",
      `    } else {
      const failed = Errors.postgres(parseError(x))
      failed.code === '57P03' || failed.code === '28000' ? error(failed) : errored(failed)
`,
    ],
    [
      "    errored(Errors.connection('CONNECT_TIMEOUT', options, socket))",
      "    error(Errors.connection('CONNECT_TIMEOUT', options, socket))",
    ],
    [
      "tryNext(target_session_attrs, backendParameters))\n          return terminate()",
      `tryNext(target_session_attrs, backendParameters)) {
          failure = Errors.generic('TARGET_SESSION_ATTRS', 'no server is ' + target_session_attrs)
          return socket.destroy()
        }`,
    ],
    // How a connection is encrypted is decided for each host (`lib/connection/tls.ts`): where `ssl` is a list, each stands in it
    // twice, without and with TLS, and the second is for those that refuse the first for its own sake.
    [
      "    socket.on('connect', ssl ? secure : connected)",
      "    socket.on('connect', (Array.isArray(ssl) ? ssl[hostIndex] : ssl) ? secure : connected)",
    ],
    [
      "      if (!canSSL && ssl === 'prefer')\n        return connected()\n",
      `      if (!canSSL && tlsOf(ssl).optional)
        return connected()
      if (!canSSL) {
        error(Errors.generic('TLS_REFUSED', 'the server offers no TLS, which sslmode asks for'))
        return socket.destroy()
      }
`,
    ],
    [
      "    else if (typeof ssl === 'object')\n      Object.assign(options, ssl)",
      "    else\n      Object.assign(options, tlsOf(ssl).optionsFor(socket.host, socket.port))",
    ],
    [
      "  async function secure() {\n",
      `  function tlsOf(ssl) {
    return Array.isArray(ssl) ? ssl.find(x => x) : ssl
  }

  async function secure() {
`,
    ],
    // What Postgres refuses once all rows of a COPY are sent, a key that is there twice for instance, was told to nobody: the
    // statement waited for ever. And each COPY that had ended well was declared failed behind that.
    [
      "    stream && (stream.destroy(err), stream = null)\n    query && queryError",
      `    stream && (stream.destroy(err), stream = null)
    final && (final(err), final = null)
    query && queryError`,
    ],
    [
      `  function CopyInResponse() {
    stream = new Stream.Writable({
      autoDestroy: true,
      write(chunk, encoding, callback) {
        socket.write(b().d().raw(chunk).end(), callback)
      },
      destroy(error, callback) {
        callback(error)
        socket.write(b().f().str(error + b.N).end())
        stream = null
`,
      `  function CopyInResponse() {
    stream = new Stream.Writable({
      autoDestroy: true,
      write(chunk, encoding, callback) {
        socket.write(b().d().raw(chunk).end(), callback)
      },
      destroy(error, callback) {
        callback(error)
        stream && socket && socket.write(b().f().str(error + b.N).end())
        stream = null
`,
    ],
    [
      "        final = callback\n        stream = null\n      }\n    })\n",
      "        final = callback\n        stream = null\n      }\n    })\n    stream.on('error', noop)\n",
    ],
    // A connection that is being opened, or whose end nobody answers, keeps a process from ending.
    [
      "      socket.readyState === 'open' && socket.end(b().X().end())",
      "      socket.readyState === 'open' ? socket.end(b().X().end()) : socket.destroy()",
    ],
    // What `connections.ts` watches: the socket itself, under TLS too, and since which tick a statement waits for its answer.
    [
      "  let socket = null\n",
      "  let socket = null\n    , raw = null\n    , since = 0\n    , ready = false\n    , failure = null\n",
    ],
    // Nagle's algorithm held the last rows of a COPY until the server acknowledged those before, which it does after 40 ms.
    [
      "    x.on('drain', drain)\n    return x",
      "    x.on('drain', drain)\n    x.setNoDelay && x.setNoDelay(true)\n    raw = x\n    return x",
    ],
    [
      "    count: 0,\n    id\n  }\n",
      `    count: 0,
    id,
    running: () => query ? { since, limitMs: query.options && query.options.limitMs } : null,
    isIdle: () => !query && !initial && !connection.reserved,
    isOpen: () => raw !== null,
    destroy: () => raw && raw.destroy()
  }
`,
    ],
    [
      "  queues.closed && queues.closed.push(connection)\n",
      "  queues.closed && queues.closed.push(connection)\n  queues.closed && options.watch && options.watch.connections.push(connection)\n",
    ],
    [
      "        : (query = q, query.active = true)\n",
      "        : (query = q, query.active = true, since = options.watch ? options.watch.clock.ticks : 0)\n",
    ],
    [
      "(query = sent.shift()) && (query.active = true, query.cancelled))",
      "(query = sent.shift()) && (query.active = true, since = options.watch ? options.watch.clock.ticks : 0, query.cancelled))",
    ],
  ],
  "index.js": [
    [
      "    socket          : o.socket,\n",
      "    socket          : o.socket,\n    watch           : o.watch,\n",
    ],
    [
      "      : queries.push(query)\n  }\n\n  function go(",
      "      : (query.since = options.watch ? options.watch.clock.ticks : 0, queries.push(query))\n  }\n\n  function go(",
    ],
    // A transaction may have sent its commit itself (`session.ts`): it ends with the answer to that, whatever fails before.
    ["        await (name\n", "        sql.isCommitted || await (name\n"],
    ["          : await sql`commit`\n", "          : sql.isCommitted || (await sql`commit`)\n"],
    // A pool that has ended opens nothing for what still waits.
    [
      "    queries.length && connect(c, queries.shift())",
      "    queries.length && !ending && connect(c, queries.shift())",
    ],
    [
      "  const sql = Sql(handler)\n\n  Object.assign(sql, {",
      `  options.watch && options.watch.queues.push(queries)

  const sql = Sql(handler)

  Object.assign(sql, {`,
    ],
  ],
};

/**
 * postgres.js 3.4.9 with what can't be had from outside. While a connection closes with a write that waits, it crashes the
 * process (porsager/postgres#1154, #1208: a transaction's ROLLBACK behind a server that went away is enough), the
 * connection never sends anything again, or its query is never answered; a query that the server ended with its connection
 * makes the next one on it fail too; a server that closes what it takes is asked again without a pause or an end. And it
 * lacks a statement that each connection begins with, and a way to see what waits. So its files are changed as they are
 * loaded, and a driver in which one of these lines isn't found is refused: without them it would fail silently, one day.
 */
export const postgres = loadMended();

/** The source with every mend made. Throws when one of its lines isn't there, or is there twice. */
export function mend(file: string, source: string): string {
  return (MENDS[file] ?? []).reduce((text, [there, instead]) => {
    const parts = text.split(there);
    if (parts.length !== 2) {
      throw new Error(
        `postgres.js isn't the version that is mended here: ${file} has ${parts.length - 1} times ${JSON.stringify(there)}. ` +
          "Install the one that package-lock.json names.",
      );
    }
    return parts.join(instead);
  }, source);
}

interface Compiling extends Module {
  _compile(source: string, file: string): void;
}

function loadMended(): typeof postgresType {
  const require = createRequire(import.meta.url);
  const entry = require.resolve("postgres");
  for (const name of Object.keys(MENDS)) {
    const file = join(dirname(entry), name);
    const module = new Module(file) as Compiling;
    module.filename = file;
    require.cache[file] = module;
    module._compile(mend(name, readFileSync(file, "utf8")), file);
    module.loaded = true;
  }
  return require(entry) as typeof postgresType;
}
