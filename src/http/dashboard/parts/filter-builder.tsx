import { ELEMENT_OBJECTS, FIELDS, OPERATORS, type Operator } from "../../../query/language/catalogue.js";
import { type FilterRow, operatorsOfField } from "../model/filter-rows.js";
import type { UserList } from "../model/user-list.js";

const WORDS: Record<Operator, string> = {
  eq: "is",
  ne: "is not",
  in: "is one of",
  nin: "is none of",
  lt: "is below",
  lte: "is at most",
  gt: "is above",
  gte: "is at least",
  contains: "contains",
  prefix: "begins with",
  suffix: "ends with",
  exists: "is set",
  similar: "is similar to",
};

/** Every field that a row can speak of. Paths are to be completed. */
const FIELD_CHOICES = [
  ...FIELDS.keys(),
  ...["public_metadata.", "unsafe_metadata.", "private_metadata."],
  ...[...ELEMENT_OBJECTS].flatMap(([element, { fields }]) =>
    [...fields.keys()].map((key) => `${element}.${key}`),
  ),
];

const EMPTY_ROW: FilterRow = { field: "", operator: "", value: "" };

/** Rows of a field, how it is compared, and with what; one more than there are, to be filled. */
export function FilterBuilder({ list }: { list: UserList }) {
  const rows = list.rows ?? { match: "all" as const, rows: [] };
  return (
    <fieldset id="builder">
      <legend>Filter</legend>
      <datalist id="fields">
        {FIELD_CHOICES.map((name) => (
          <option value={name}></option>
        ))}
      </datalist>
      {rows.rows.length > 1 && (
        <label class="inline">
          Users of whom{" "}
          <select name="match">
            <option value="all" selected={rows.match === "all"}>
              all
            </option>
            <option value="any" selected={rows.match === "any"}>
              any
            </option>
          </select>{" "}
          of these hold:
        </label>
      )}
      {[...rows.rows, EMPTY_ROW].map((row, n) => (
        <Row row={row} n={n} problem={list.problems.get(n) ?? null} />
      ))}
      <div class="row">
        <button type="submit" id="filter-apply" class="primary">
          Apply
        </button>
        <span class="quiet">
          Metadata by path: <code>public_metadata.plan</code>. Times: <code>now-30d</code>,{" "}
          <code>2026-11-01</code>.
        </span>
      </div>
    </fieldset>
  );
}

function Row({ row, n, problem }: { row: FilterRow; n: number; problem: string | null }) {
  const operators = operatorsOfField(row.field) ?? OPERATORS;
  const id = `row-${n}`;
  const described = problem === null ? {} : { "aria-invalid": true, "aria-describedby": `${id}-problem` };
  return (
    <fieldset class="filter-row" aria-label={`Condition ${n + 1}`}>
      <input
        id={`${id}-field`}
        name="field"
        value={row.field}
        list="fields"
        aria-label="Field"
        placeholder={n === 0 ? "field" : "another field"}
        autocomplete="off"
        spellcheck={false}
      />
      <select id={`${id}-op`} name="op" aria-label="Comparison">
        {operators.map((operator) => (
          <option value={operator} selected={operator === row.operator}>
            {WORDS[operator]}
          </option>
        ))}
      </select>
      {row.operator === "exists" ? (
        <select id={`${id}-value`} name="value" aria-label="Whether it is set" {...described}>
          <option value="true">yes</option>
          <option value="false" selected={row.value === "false"}>
            no
          </option>
        </select>
      ) : (
        <input
          id={`${id}-value`}
          name="value"
          value={row.value}
          aria-label="Value"
          placeholder={row.operator === "in" || row.operator === "nin" ? "a, b, c" : "value"}
          autocomplete="off"
          spellcheck={false}
          {...described}
        />
      )}
      {row.field !== "" && (
        <button
          type="submit"
          id={`${id}-remove`}
          name="remove"
          value={String(n)}
          class="plain"
          aria-label={`Remove condition ${n + 1}`}
        >
          ✕
        </button>
      )}
      {problem !== null && (
        <p class="row-problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
    </fieldset>
  );
}
