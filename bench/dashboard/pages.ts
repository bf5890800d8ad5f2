import type { Target } from "../http/processes.js";
import { commitSomething, type QueriesOptions, send, timed } from "../queries/asking.js";
import { type Line, spread, within } from "../report/table.js";
import type { Visitor } from "./visitor.js";

export const PAGES_NOTE =
  "Milliseconds for one page over HTTP, one at a time. Between two something commits, so that nothing counted before is of use.";

const RUNS = 21;
const FIRST_PAGE_MS = 150;
const SEARCH_MS = 100;

/** What somebody types, letter by letter, and what is rare, frequent or not there. */
const TYPED = ["a", "an", "ann", "anna s", "gmail", "user_2", "+1", "qx7", "nobody@nowhere"];

export async function measurePages(
  mirror: Target,
  { cookie }: Visitor,
  { sql, userId, say }: QueriesOptions & { userId: string },
): Promise<{ lines: Line[]; bytes: number }> {
  const headers = { cookie, "accept-encoding": "gzip, br" };
  const get = async (path: string) => {
    const answer = await send(mirror, `/dashboard/${path}`, { headers });
    if (answer.status !== 200) throw new Error(`/dashboard/${path}: ${answer.status}`);
    return answer;
  };

  async function times(path: string): Promise<number[]> {
    say(`the dashboard's page /${path}`);
    const took: number[] = [];
    // The first one warms up.
    for (let run = 0; run <= RUNS; run++) {
      await commitSomething(sql);
      took.push(await timed(() => get(path)));
    }
    return took.slice(1);
  }

  const others = {
    "users, the newest": "users",
    "a user's page": `users/${userId}`,
    "the charts of activity, behind the overview": "overview/activity",
    ...{ organizations: "organizations", changes: "changes", runs: "runs" },
    ...{ "dead letters": "dead-letters", keys: "keys", system: "system" },
  };
  const lines: Line[] = [within("the overview", await times(""), FIRST_PAGE_MS)];
  for (const typed of TYPED) {
    const took = await times(`users?q=${encodeURIComponent(typed)}`);
    lines.push(within(`users, “${typed}” typed`, took, SEARCH_MS));
  }
  for (const [what, path] of Object.entries(others)) {
    lines.push({ ...spread(what, await times(path)), goals: [] });
  }
  return { lines, bytes: await weighFirstVisit(mirror, get, headers) };
}

/** The page and all that it refers to, as they are transferred. */
async function weighFirstVisit(
  mirror: Target,
  get: (path: string) => Promise<{ body: Buffer }>,
  headers: Record<string, string>,
): Promise<number> {
  const page = await get("");
  const html = await (await fetch(`${mirror.url}/dashboard/`, { headers })).text();
  const assets = new Set(
    [...html.matchAll(/(?:src|href)="([^"]*\/assets\/[^"]*)"/g)].map(([, path]) => path),
  );
  let bytes = page.body.length;
  for (const path of assets) bytes += (await send(mirror, path ?? "", { headers })).body.length;
  return bytes;
}
