import type { Visit } from "../visit/visit.js";

/** The address of a page with parameters, of which some may stand several times. */
export function address(visit: Pick<Visit, "link">, path: string, params: URLSearchParams): string {
  const search = params.toString();
  return search === "" ? visit.link(path) : `${visit.link(path)}?${search}`;
}

export const userPath = (id: string, more = "") => `users/${encodeURIComponent(id)}${more}`;
export const organizationPath = (id: string) => `organizations/${encodeURIComponent(id)}`;
