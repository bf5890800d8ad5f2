import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { SandboxProcess } from "./sandbox-process.js";

export interface Introduced {
  url: string;
  sandbox: Pick<SandboxProcess, "url" | "secretKey">;
  apiKey: string;
  traffic: boolean;
  /** Of the embedded Postgres. */
  databaseUrl: string | null;
  /** Where programs are, as in the environment. */
  programs: string;
}

/** What the demo says once it is ready: where everything is, and lines to paste, each complete. */
export function introduction({ url, sandbox, apiKey, traffic, databaseUrl, programs }: Introduced): string {
  const key = `-H "Authorization: Bearer ${apiKey}"`;
  const live = traffic
    ? "sign-ups, visits, changes and deletions arrive by signed webhooks; a few get lost, and are repaired"
    : "off";
  const sql =
    databaseUrl && isOnPath("psql", programs)
      ? `

In SQL (docs/sql.md):

  psql "${databaseUrl}" -c "select day, users, created, active from mirror.daily_users order by day desc limit 7"`
      : "";
  return `
User Mirror is ready.

  Dashboard      ${url}/dashboard   (sign in with the API key)
  API key        ${apiKey}
  Mirror         ${url}
  Sandbox Clerk  ${sandbox.url}
  Live traffic   ${live}

Try it, each line as it is:

  curl -s "${url}/v1/users?query=ann&order_by=-last_active_at&limit=2" ${key}
  curl -s "${url}/mirror/users/query" ${key} -d '{"filter": {"public_metadata.plan": "pro"}, "fields": ["id", "name"], "limit": 3, "count": true}'
  curl -s "${url}/mirror/users/aggregate" ${key} -d '{"group_by": [{"field": "active_day", "bucket": "month"}]}'

The first is Clerk's own API. What Clerk can't be asked, and what changes live: docs/how-to/asking.md${sql}

In an application, one line changes:

  createClerkClient({ secretKey: "${sandbox.secretKey}", apiUrl: "${url}" })

Ctrl-C ends it.`;
}

/** Whether a program can be run by its name. */
function isOnPath(program: string, folders: string): boolean {
  return folders.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
