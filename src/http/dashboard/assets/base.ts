/** Where the dashboard stands. */
export const BASE = "/dashboard";

export type Query = Readonly<Record<string, string | number | undefined>>;

/** The address of something below it, behind the prefix of a proxy. Parameters without a value are left out. */
export function linkTo(prefix: string, path: string, query: Query = {}): string {
  const parameters = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, String(value)] as [string, string]],
  );
  const search = new URLSearchParams(parameters).toString();
  return `${prefix}${BASE}/${path}${search === "" ? "" : `?${search}`}`;
}
