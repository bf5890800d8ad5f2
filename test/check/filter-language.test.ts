// Covers docs/reference/filter-language.md

import { describe, expect, test } from "vitest";
import { SCOPES } from "../../src/auth/scopes.js";
import { AppError } from "../../src/lib/errors.js";
import { parseRetention } from "../../src/query/aggregate/cohorts-request.js";
import { parseAggregate } from "../../src/query/aggregate/request.js";
import { compileFilter } from "../../src/query/compile.js";
import type { Condition } from "../../src/query/condition.js";
import {
  ELEMENT_OBJECTS,
  FIELDS,
  type Field,
  metadataField,
  OPERATORS,
  operatorsOf,
} from "../../src/query/language/catalogue.js";
import { parseFilter } from "../../src/query/language/json-filter.js";
import { parseJsonFilter } from "../../src/query/language/json-text.js";
import { parseLookup } from "../../src/query/language/lookup-request.js";
import { parseUserLink, parseUserQuery } from "../../src/query/language/request.js";
import { scimFilter } from "../../src/query/language/scim.js";
import { Parameters } from "../../src/query/parameters.js";
import type { Search } from "../../src/query/where.js";
import { createModel, type Json, type ModelUser } from "../query/language/model.js";
import { type Cell, readPage } from "../support/markdown.js";

const NOW_MS = Date.UTC(2026, 10, 28);
const DAY_MS = 86_400_000;
const CONTEXT = { nowMs: NOW_MS, scopes: new Set(SCOPES) };
const page = readPage("docs/reference/filter-language.md");

/** The rows of the table that has these columns, below any heading. */
function rowsOf(...columns: string[]): Cell[][] {
  const rows = page.tables.filter((table) => table.columns.join() === columns.join()).flatMap((t) => t.rows);
  expect(rows).not.toEqual([]);
  return rows;
}

/** The first code of a cell, or what stands there. */
const said = (cell: Cell | undefined) => cell?.codes[0] ?? cell?.text ?? "";

const SEARCH = {
  statistics: {
    lettersBeyondAscii: true,
    users: 1000,
    shareOf: () => 0,
    shareIn: () => 0,
    distinctNames: {},
  },
  ...{ mostByPieces: 0, nowMs: NOW_MS },
} as unknown as Search;

/** The values of the statement that this becomes. */
function compiled(condition: Condition): readonly unknown[] {
  const params = new Parameters();
  expect(compileFilter(condition, params, SEARCH)).toHaveProperty("conditions");
  return params.values;
}

const typeOf = (field: Field<unknown>): string =>
  field.type === "text" && field.similar ? "name" : field.type;

describe("the tables of fields and operators", () => {
  const metadata = (names: string[]) => names.map((name) => [`${name}_metadata.<path>`, "metadata"] as const);

  test("have each field with its type, and no other", () => {
    const there = [...FIELDS].map(([name, field]) => [name, typeOf(field)] as const);
    expect(rowsOf("field", "type", "compared", "").map(([name, type]) => [said(name), said(type)])).toEqual([
      ...there,
      ...metadata(["public", "unsafe", "private"]),
    ]);
  });

  test("have each field of each element with its type, and no other", () => {
    const there = [...ELEMENT_OBJECTS].flatMap(([element, { list, fields }]) =>
      [
        ...[...fields].map(([name, field]) => [name, typeOf(field)] as const),
        ...metadata(list === "membership" ? ["public"] : []),
      ].map((row) => [element, ...row]),
    );
    const rows = rowsOf("element", "field", "type", "compared", "");
    expect(rows.map((row) => row.slice(0, 3).map(said))).toEqual(there);
  });

  test("say of each text whether case is folded, as its statement does", () => {
    const asked: [Cell | undefined, Cell | undefined, Cell | undefined, (named: Json) => Json][] = [
      ...rowsOf("field", "type", "compared", "").map(([name, type, how]): (typeof asked)[number] => [
        ...([name, type, how] as const),
        (named) => named,
      ]),
      ...rowsOf("element", "field", "type", "compared", "").map(
        ([element, name, type, how]): (typeof asked)[number] => [
          ...([name, type, how] as const),
          (named) => ({ [said(element)]: named }),
        ],
      ),
    ];
    for (const [name, type, how, around] of asked) {
      const field = said(name).replace("<path>", "key");
      if (!["text", "name", "metadata"].includes(said(type))) continue;
      const values = JSON.stringify(compiled(parseFilter(around({ [field]: "Äb" }), CONTEXT)));
      expect([field, values.includes("Äb") ? "exactly" : "folded"]).toEqual([field, said(how)]);
      expect(values.includes("Äb") || values.includes("äb")).toBe(true);
    }
  });

  test("have the operators of each type", () => {
    const fields = [...FIELDS.values(), metadataField("public", ["key"])];
    const there = new Map(fields.map((field) => [typeOf(field), operatorsOf(field)]));
    const rows = rowsOf("type", "operators", "values");
    expect(rows.map(([type, operators]) => [said(type), operators?.codes])).toEqual(
      rows.map(([type]) => [said(type), there.get(said(type))]),
    );
    expect(rows.map(([type]) => said(type)).sort()).toEqual([...there.keys()].sort());
  });

  test("explain every operator once", () => {
    const explained = rowsOf("operator", "operand", "holds if").flatMap(([names]) => names?.codes ?? []);
    expect(explained.sort()).toEqual([...OPERATORS].sort());
  });
});

/** The user of the page, as the independent model knows users. */
function person() {
  const { organization_memberships: memberships, ...given } = JSON.parse(
    page.snippets.find(({ kind }) => kind === "person")?.text ?? "",
  ) as Json & { organization_memberships: { organization_id: string }[]; email_addresses: Json[] };
  const user = {
    ...{ external_id: null, web3_wallets: [], external_accounts: [], last_sign_in_at: null },
    ...{ locked: false, two_factor_enabled: false, password_enabled: false, has_image: false },
    ...{ unsafe_metadata: {}, private_metadata: {}, updated_at: NOW_MS },
    ...given,
    created_at: NOW_MS - 5 * DAY_MS,
    primary_email_address_id: "primary",
    email_addresses: given.email_addresses.map(({ email_address, verified, primary }) => ({
      id: primary ? "primary" : "other",
      ...{ email_address, verification: { status: verified ? "verified" : "unverified" } },
    })),
  } as unknown as ModelUser;
  expect(given.created_at).toBe("now-5d");
  return {
    users: [user],
    memberships: memberships.map((one) => ({
      ...{ id: one.organization_id, user_id: user.id, created_at: NOW_MS, role: "", public_metadata: {} },
      ...one,
    })),
  };
}

describe("the examples", () => {
  const model = createModel({ ...person(), nowMs: NOW_MS, similarity: () => 0 });

  test.each(rowsOf("filter", "keeps her", "because").map(([filter, keeps]) => [said(filter), keeps?.text]))(
    "%s keeps the user: %s",
    (text, keeps) => {
      const filter = parseJsonFilter(text ?? "", "filter");
      compiled(parseFilter(filter, CONTEXT));
      expect(model.matches(filter as Json).length === 1 ? "yes" : "no").toBe(keeps);
    },
  );

  const PARSERS: Record<string, (text: string) => { filter?: Condition }> = {
    query: (text) => parseUserQuery(text, CONTEXT),
    aggregate: (text) => parseAggregate(text, CONTEXT),
    retention: (text) => parseRetention(text, CONTEXT),
    lookup: (text) => {
      expect(parseLookup(text, CONTEXT.scopes).keys).not.toEqual([]);
      return {};
    },
    link: (text) => {
      const params = text.split("&").map((one) => one.split(/=(.*)/s, 2) as [string, string]);
      return parseUserLink(Object.fromEntries(params.map(([name, value]) => [name, [value]])), CONTEXT);
    },
  };
  const bodies = page.snippets.filter(({ kind, language }) => (kind || language) in PARSERS);

  test("are of every kind", () => {
    expect(new Set(bodies.map(({ kind, language }) => kind || language))).toEqual(
      new Set(Object.keys(PARSERS)),
    );
    expect(page.snippets.length - bodies.length).toBe(2);
  });

  test.each(bodies.map(({ kind, language, text }) => [kind || language, text]))(
    "of a %s: %s",
    (kind, text) => {
      const { filter } = PARSERS[kind ?? ""]?.(text ?? "") ?? {};
      if (filter) compiled(filter);
    },
  );

  const members = rowsOf("member", "default", "");
  const defaults = members.filter(([, usual]) => usual?.codes[0] === usual?.text.replaceAll("`", ""));

  test.each(defaults.map(([name, usual]) => [said(name), said(usual)]))(
    "%s means what it means without it: %s",
    (name = "", usual = "") => {
      const given = JSON.stringify({ [name]: JSON.parse(usual) });
      const parse = Object.values(PARSERS).find((one) => !refusalOf(() => one(given)));
      if (!parse) throw new Error(`No body takes ${given}.`);
      const meant = (text: string) => ({ ...parse(text), binding: null });
      expect(meant(given)).toEqual(meant("{}"));
    },
  );

  test.each(["order_by", "fields", "group_by"])(
    "%s takes every field but those that its row names",
    (name) => {
      const row = members.find((cells) => said(cells[0]) === name && cells[2]?.text.includes("up to"));
      const [parse, buckets] = name === "group_by" ? [parseAggregate, true] : [parseUserQuery, false];
      const refused = [...FIELDS].flatMap(([field, { type }]) => {
        const entry = buckets && type === "time" ? { field, bucket: "day" } : field;
        return refusalOf(() => parse(JSON.stringify({ [name]: [entry] }), CONTEXT)) ? [field] : [];
      });
      expect(refused.sort()).toEqual(row?.[2]?.codes.filter((code) => FIELDS.has(code)).sort());
    },
  );

  test.each(
    rowsOf("written", "means")
      .flatMap(([written]) => written?.codes ?? [])
      .map((code) => [code]),
  )("%s is a time", (code) => {
    compiled(parseFilter({ created_at: { gte: JSON.parse(code ?? "") } }, CONTEXT));
  });

  test("several spellings of a moment are one", () => {
    const moments = rowsOf("written", "means")
      .slice(0, 3)
      .flatMap(([written]) => written?.codes ?? [])
      .map((code) => parseFilter({ created_at: JSON.parse(code) }, CONTEXT));
    expect(moments.length).toBeGreaterThan(3);
    for (const moment of moments) expect(moment).toEqual(moments[0]);
  });
});

describe("SCIM", () => {
  const rows = rowsOf("SCIM", "JSON").map(([scim, json]) => [scim?.codes ?? [], json?.codes ?? []] as const);
  const filters = rows.filter(([, [json]]) => json?.startsWith("{"));

  test.each(filters.map(([[scim], [json]]) => [scim, json]))("%s", (scim = "", json = "") => {
    expect(scimFilter(scim)).toEqual(JSON.parse(json));
    compiled(parseFilter(scimFilter(scim), CONTEXT));
  });

  test("has an operator for each that the table names", () => {
    const operators = rows.filter(([, [json]]) => !json?.startsWith("{"));
    for (const [scim, json] of operators) {
      for (const [n, one] of scim.entries()) {
        const operand = { pr: "", in: "[1]" }[one] ?? "1";
        const [asked] = Object.values(scimFilter(`public_metadata.a ${one} ${operand}`));
        const there = Array.isArray(asked)
          ? ["in"]
          : typeof asked === "object"
            ? Object.keys(asked ?? {})
            : ["eq"];
        expect([one, ...there]).toEqual([one, json[n]]);
      }
    }
    const named = operators.flatMap(([, json]) => json);
    expect([...OPERATORS].filter((one) => !named.includes(one)).sort()).toEqual(["nin", "similar"]);
  });

  test.each(
    rowsOf("attribute", "field").flatMap(
      ([names, field]) => names?.codes.map((name) => [name, field] as const) ?? [],
    ),
  )("%s", (name, field) => {
    const [, list, inner] = /^(\w+)\[(\w+)\]$/.exec(name) ?? [];
    const found = scimFilter(list ? `${list}[${inner} pr]` : `${name} pr`);
    const [attribute, element] = field?.codes ?? [];
    const expected = { [attribute ?? ""]: { exists: true } };
    expect(found).toEqual(element ? { [element]: expected } : expected);
  });
});

/** Null: it isn't refused. */
function refusalOf(parse: () => unknown): AppError | null {
  try {
    parse();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

describe("the limits", () => {
  const many = <T>(count: number, one: (n: number) => T) => Array.from({ length: count }, (_, n) => one(n));
  const query = (body: Json) => parseUserQuery(JSON.stringify(body), CONTEXT);
  const aggregate = (body: Json) => parseAggregate(JSON.stringify(body), CONTEXT);
  const nested = (depth: number): Json => (depth === 0 ? {} : { not: nested(depth - 1) });
  const EXCEEDED: Record<string, (count: number) => unknown> = {
    "`and`, `or`, `not` and elements inside each other": (n) => parseFilter(nested(n), CONTEXT),
    "conditions, each operator being one": (n) =>
      parseFilter({ or: many(n, (id) => ({ id: `${id}` })) }, CONTEXT),
    "values of one `in` or `nin`": (n) => parseFilter({ id: { nin: many(n, String) } }, CONTEXT),
    "keys of a metadata path": (n) =>
      parseFilter({ [`public_metadata.${many(n, () => "a").join(".")}`]: 1 }, CONTEXT),
    "characters of `similar`": (n) => parseFilter({ name: { similar: "a".repeat(n) } }, CONTEXT),
    "keys of `order_by`": (n) => query({ order_by: many(n, () => "id") }),
    "entries of `fields`": (n) => query({ fields: many(n, () => "id") }),
    "`limit` of a query": (limit) => query({ limit }),
    "groups of an aggregate": (n) => aggregate({ group_by: many(n, () => "id") }),
    "`limit` of an aggregate": (limit) => aggregate({ limit }),
    "`periods`": (periods) => parseRetention(JSON.stringify({ periods }), CONTEXT),
    "`keys` of a look-up": (n) =>
      parseLookup(JSON.stringify({ by: "id", keys: many(n, String) }), CONTEXT.scopes),
    "bytes of a filter": (n) => query({ filter: { id: "a".repeat(n - '{"id":""}'.length) } }),
  };
  const rows = rowsOf("what", "most").map(([what, most]) => [what?.text ?? "", Number(most?.text)] as const);

  test("are all that the page names", () => {
    expect(rows.map(([what]) => what)).toEqual(Object.keys(EXCEEDED));
  });

  test.each(rows)("%s: %i, and not one more", (what, most) => {
    const parse = EXCEEDED[what] as (count: number) => unknown;
    expect(refusalOf(() => parse(most))).toBeNull();
    expect(refusalOf(() => parse(most + 1))?.code).toBe("invalid_request");
  });
});

describe("what is wrong", () => {
  const rows = rowsOf("body or filter", "`meta.param_name`", "`long_message`");

  test.each(rows.map(([body, param, message]) => [said(body), said(param), message?.text]))(
    "%s: %s",
    (body = "", param, message) => {
      const isBody = body.startsWith("{");
      const refusal = refusalOf(() => (isBody ? parseUserQuery(body, CONTEXT) : scimFilter(body)));
      expect(refusal).toMatchObject({ code: "invalid_request", meta: { param_name: param } });
      expect(refusal?.longMessage).toBe(message);
    },
  );
});
