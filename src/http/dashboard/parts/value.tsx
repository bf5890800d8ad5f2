import { Time } from "./basics.js";

/** A value of a user's, as a cell of a table shows it. */
export function Value({ name, value, nowMs }: { name: string; value: unknown; nowMs: number }) {
  if (value === null || value === undefined) return <span class="quiet">–</span>;
  if (typeof value === "number" && name.endsWith("_at")) return <Time at={value} nowMs={nowMs} />;
  if (typeof value === "boolean") return value ? <>yes</> : <span class="quiet">no</span>;
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return <>{value.join(", ")}</>;
  if (typeof value === "object") return <code>{JSON.stringify(value)}</code>;
  return <>{String(value)}</>;
}
