import fc from "fast-check";
import { expect, test } from "vitest";
import { connectionOptions } from "../../../src/lib/connection/options.js";
import {
  ConnectionStringError,
  formatConnectionString,
  parseConnectionString,
} from "../../../src/lib/connection/string.js";

const text = fc.string({ unit: "binary", maxLength: 30 }).filter((s) => !s.includes("\0"));

test("any user, password, host and name come through a URL that encodes them", () => {
  fc.assert(
    fc.property(text, text, text, (user, password, dbname) => {
      const url = `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@host/${encodeURIComponent(dbname)}`;
      const given = Object.entries({ user, password, dbname }).filter(([, value]) => value !== "");
      expect(parseConnectionString(url).values).toEqual({ host: "host", ...Object.fromEntries(given) });
    }),
  );
});

test("any values come through libpq's own words", () => {
  const quoted = (value: string) => `'${value.replace(/[\\']/g, "\\$&")}'`;
  fc.assert(
    fc.property(text, text, (user, password) => {
      const conninfo = `user=${quoted(user)} password = ${quoted(password)} host=h`;
      expect(parseConnectionString(conninfo).values).toEqual({ user, password, host: "h" });
    }),
  );
});

test("what is formatted is read back", () => {
  fc.assert(
    fc.property(text, text, text, (user, password, options) => {
      const values = { host: "a,b", port: "1,2", user, password, dbname: "d", options };
      expect(parseConnectionString(formatConnectionString(values)).values).toEqual(values);
    }),
  );
});

test("whatever it is given, it answers or refuses in words that hold nothing of it", () => {
  const odd = fc.array(
    fc.oneof(
      text,
      fc.constantFrom(..."postgres://|@|:|/|?|&|=|%|[|]|,|'|\\|host|sslmode|port|ssl|#| ".split("|")),
    ),
  );
  fc.assert(
    fc.property(odd, fc.boolean(), (parts, isUrl) => {
      const given = `${isUrl ? "postgres://" : ""}${parts.join("")}`;
      try {
        connectionOptions(given);
      } catch (error) {
        expect(error).toBeInstanceOf(ConnectionStringError);
      }
    }),
    { numRuns: 2000 },
  );
  for (const secret of [
    "postgres://u:hush%@h/d",
    "postgres://u:hush@h:hush/d",
    "postgres://u:hush@h/d?sslmode=hush",
    "host=h password='hush",
    "hush",
    "postgres://u@h/d?port=hush&sslrootcert=hush",
  ]) {
    let message = "taken";
    try {
      connectionOptions(secret);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toMatch(/hush|taken/);
  }
});

test("what other tools add is ignored, and said by name alone", () => {
  const { values, notes } = parseConnectionString(
    "postgresql://u:p@h/d?schema=public&pgbouncer=true&connection_limit=5&pool_timeout=0&sslaccept=strict&uselibpqcompat=true&supa=base-pooler.x&flag",
  );
  expect(values).toEqual({ user: "u", password: "p", host: "h", dbname: "d" });
  expect(notes).toEqual([
    "DATABASE_URL: schema, pgbouncer, connection_limit, pool_timeout, sslaccept, uselibpqcompat, supa, flag are not used here and ignored",
  ]);
});

test.each([
  ["ssl=true", "require"],
  ["ssl=1", "require"],
  ["ssl=false", "disable"],
  ["ssl=require", "require"],
  ["sslmode=no-verify", "require"],
])("%s means sslmode=%s", (parameter, sslmode) => {
  expect(parseConnectionString(`postgres://h/d?${parameter}`).values).toMatchObject({ sslmode });
});

test("what can't be done is refused by name", () => {
  const refusal = (parameter: string) => () => connectionOptions(`postgres://h/d?${parameter}`);
  expect(refusal("gssencmode=require")).toThrow(/gssencmode/);
  expect(refusal("sslmode=verify-full")).toThrow(/sslrootcert/);
  expect(refusal("sslmode=require&sslrootcert=system")).toThrow(/verify-full/);
  expect(refusal("sslnegotiation=direct")).toThrow(/sslmode/);
  expect(refusal("sslmode=require&sslcert=/nowhere&sslkey=/nowhere")).toThrow(/sslcert/);
  expect(() => connectionOptions("postgres://a,b/d?host=/tmp,b")).toThrow(/Unix socket/);
});

test("where TLS protects from nobody it isn't asked for", () => {
  const encrypted = (url: string) => (connectionOptions(url).driver as { ssl?: unknown }).ssl;
  expect(encrypted("postgres://db.example.com/d")).toMatchObject({ optional: true });
  expect(encrypted("postgres://127.0.0.1/d")).toBe(false);
  expect(encrypted("postgres:///d?host=/tmp")).toBe(false);
});
