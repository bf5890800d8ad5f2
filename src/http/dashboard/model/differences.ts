/** A place at which two JSON values differ. Undefined: nothing is there. */
export interface Difference {
  /** `email_addresses[idn_1].verification.status`: elements with an id are named by it, others by their place. */
  path: string;
  here: unknown;
  there: unknown;
}

const MOST = 500;

/**
 * Where two JSON values differ, as deep as they do, in the order of the first. Elements that both have an id are compared with those
 * of the same id, wherever they stand. At most 500.
 */
export function differencesOf(here: unknown, there: unknown): Difference[] {
  const found: Difference[] = [];
  const open: Difference[] = [{ path: "", here, there }];
  // A list of its own instead of recursion: no metadata exhausts the stack.
  for (let next = open.pop(); next && found.length < MOST; next = open.pop()) {
    const parts = partsOf(next);
    if (parts) open.push(...parts.reverse());
    else if (!isSame(next.here, next.there)) found.push(next);
  }
  return found;
}

/** What both consist of, side by side. Null: they have no parts in common, or none at all. */
function partsOf({ path, here, there }: Difference): Difference[] | null {
  if (Array.isArray(here) && Array.isArray(there)) {
    const [own, other] = [byName(here), byName(there)];
    return own && other ? sideBySide(own, other, (name) => `${path}[${name}]`) : null;
  }
  if (!isObject(here) || !isObject(there)) return null;
  const [own, other] = [new Map(Object.entries(here)), new Map(Object.entries(there))];
  return sideBySide(own, other, (name) => {
    const key = PLAIN.test(name) ? name : JSON.stringify(name);
    return path === "" ? key : `${path}.${key}`;
  });
}

const PLAIN = /^[\w$-]+$/;

function sideBySide(
  own: ReadonlyMap<string, unknown>,
  other: ReadonlyMap<string, unknown>,
  pathOf: (name: string) => string,
): Difference[] {
  const names = new Set([...own.keys(), ...other.keys()]);
  return [...names].map((name) => ({ path: pathOf(name), here: own.get(name), there: other.get(name) }));
}

/** Null: an id stands twice. */
function byName(list: readonly unknown[]): Map<string, unknown> | null {
  const named = list.map((value, n): [string, unknown] => [
    isObject(value) && typeof value.id === "string" ? value.id : String(n),
    value,
  ]);
  const map = new Map(named);
  return map.size === list.length ? map : null;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Of values that have no parts to compare. */
const isSame = (here: unknown, there: unknown) =>
  here === there ||
  (here !== undefined && there !== undefined && JSON.stringify(here) === JSON.stringify(there));
