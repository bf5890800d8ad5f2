import type { ClerkRoute, Method } from "./clerk-routes.js";

/** The entries of a table of routes, found by path and method at a cost that doesn't grow with the table. */
export interface RouteTree {
  /** Tried from the longest match to the shortest. Where a literal fits, no parameter is tried: `ban` is nobody's id. */
  find(method: string, segments: readonly string[]): FoundRoute | null;
  /** The path as the table writes it, for as far as the table goes; behind that, `{id}` for all that isn't plainly a word. */
  nameOf(segments: readonly string[]): string;
}

export interface FoundRoute {
  entry: ClerkRoute;
  /** Which segment is the first parameter. */
  idAt: number | null;
}

/** What may follow the segments that lead here. */
interface Node {
  literals: Map<string, Node>;
  parameter: { name: string; node: Node } | null;
  /** By method: the route that ends here. */
  here: Map<string, FoundRoute>;
  /** By method: the route that ends here or anywhere behind. */
  behind: Map<string, FoundRoute>;
}

export const segmentsOf = (path: string): string[] => path.split("/").slice(1);

export function createRouteTree(entries: readonly ClerkRoute[]): RouteTree {
  const root = emptyNode();
  // In this order, an entry for several methods leaves those that another names to that one.
  for (const entry of entries.filter(isForSeveral)) add(root, entry);
  for (const entry of entries.filter((entry) => !isForSeveral(entry))) add(root, entry);
  return {
    find: (method, segments) => find(root, segments, 0, method),
    nameOf: (segments) => nameOf(root, segments),
  };
}

function find(node: Node, segments: readonly string[], at: number, method: string): FoundRoute | null {
  const segment = segments[at];
  if (segment === undefined) return node.here.get(method) ?? node.behind.get(method) ?? null;
  const next = node.literals.get(segment) ?? node.parameter?.node;
  return (next && find(next, segments, at + 1, method)) ?? node.behind.get(method) ?? null;
}

function nameOf(root: Node, segments: readonly string[]): string {
  let node: Node | undefined = root;
  let name = "";
  for (const segment of segments) {
    const literal: Node | undefined = node?.literals.get(segment);
    const parameter: Node["parameter"] = segment === "" ? null : (node?.parameter ?? null);
    name += `/${literal ? segment : (parameter?.name ?? wordOrId(segment))}`;
    node = literal ?? parameter?.node;
  }
  return name;
}

// Whatever isn't plainly a word of a route may be an id, or a key that somebody pasted into the wrong place.
const wordOrId = (segment: string) => (segment === "" || WORD.test(segment) ? segment : "{id}");

const WORD = /^(v\d|web3_wallets|m2m_tokens|[a-z]{1,20}(_[a-z]{1,20}){0,3}|\{id\})$/;

function add(root: Node, entry: ClerkRoute): void {
  const segments = segmentsOf(entry.template);
  const isOpen = segments.at(-1) === "**";
  let node = root;
  for (const segment of isOpen ? segments.slice(0, -1) : segments) node = nodeBelow(node, segment);
  const first = segments.findIndex(isParameter);
  const found = { entry, idAt: first === -1 ? null : first };
  for (const method of methodsOf(entry)) (isOpen ? node.behind : node.here).set(method, found);
}

function nodeBelow(node: Node, segment: string): Node {
  if (isParameter(segment)) {
    node.parameter ??= { name: segment, node: emptyNode() };
    return node.parameter.node;
  }
  const below = node.literals.get(segment) ?? emptyNode();
  node.literals.set(segment, below);
  return below;
}

const emptyNode = (): Node => ({ literals: new Map(), parameter: null, here: new Map(), behind: new Map() });
const isParameter = (segment: string) => segment.startsWith("{");
const isForSeveral = ({ method }: ClerkRoute) => method === "write" || method === "any";

const WRITES: readonly Method[] = ["POST", "PUT", "PATCH", "DELETE"];

function methodsOf({ method }: ClerkRoute): readonly Method[] {
  if (method === "any") return ["GET", ...WRITES];
  return method === "write" ? WRITES : [method];
}
