import type { Config } from "../../config.js";
import type { Sql } from "../../db/connection/sql.js";
import { createFieldPolicy } from "../../lib/field-policy/policy.js";
import { refuseOtherUpstream } from "../../sync/ledger/upstream-identity.js";
import { clerkErrorOf, dateMs } from "../../upstream/errors.js";
import { check, type Finding, type Found, failed, ok, skipped } from "./check.js";
import { judgeClock, noDatabase } from "./database.js";

type Asked = Pick<Config, "clerk" | "fieldPolicy">;

interface Answer {
  response: Response;
  body: Buffer;
  /** By how much Clerk's clock is ahead of ours. Null: it doesn't say. */
  aheadMs: number | null;
}

/** Whether Clerk takes the key, and is the Clerk whose users the mirror holds. Spends two requests. */
export async function checkClerk(config: Asked, sql: Sql | null): Promise<Finding[]> {
  if (config.clerk.secretKey === null) {
    const none = skipped("CLERK_SECRET_KEY must be set first");
    return ["clerk key", "clerk clock", "clerk instance"].map((name) => ({ name, ...none }));
  }
  let answer: Answer | null = null;
  const key = await check(
    "clerk key",
    async (signal) => {
      answer = await ask(config.clerk, "/v1/users/count", signal);
      return judge(config.clerk, answer);
    },
    { fix: FIX_REACH },
  );
  const ahead = (answer as Answer | null)?.aheadMs ?? null;
  return [
    key,
    await check("clerk clock", () =>
      ahead === null ? skipped("Clerk doesn't say its time") : judgeClock("Clerk's", ahead),
    ),
    await check("clerk instance", (signal) =>
      key.status === "ok" ? instance(config, sql, signal) : skipped("Clerk must take the key first"),
    ),
  ];
}

const FIX_REACH =
  "Let this machine reach CLERK_API_URL by HTTPS: look at firewalls, proxies (HTTPS_PROXY) and the name's resolution.";

async function ask(
  { apiUrl, apiVersion, secretKey }: Config["clerk"],
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  const sentAtMs = Date.now();
  const response = await fetch(`${apiUrl}${path}`, {
    headers: { authorization: `Bearer ${secretKey}`, "clerk-api-version": apiVersion },
    redirect: "manual",
    signal,
  });
  const theirs = dateMs(response.headers);
  // A date has whole seconds, rounded down.
  const aheadMs = theirs === null ? null : theirs + 500 - (sentAtMs + Date.now()) / 2;
  return { response, aheadMs, body: Buffer.from(await response.arrayBuffer()) };
}

function judge({ apiUrl }: Config["clerk"], { response: { status }, body }: Answer): Found {
  const said = clerkErrorOf(body).message ?? "no reason given";
  if (status === 200) {
    const { total_count: count } = JSON.parse(body.toString("utf8") || "{}");
    return typeof count === "number"
      ? ok(`Clerk has ${count} users`)
      : notClerk(apiUrl, "answers something else");
  }
  if (status === 401 || status === 403) {
    return failed(
      `Clerk refuses CLERK_SECRET_KEY (${status}): ${said}`,
      "Copy the secret key again from the API keys page of Clerk's dashboard, of the instance that you mean.",
    );
  }
  if (status === 429)
    return failed(`Clerk's rate limit is spent: ${said}`, "Wait, and lower UPSTREAM_RATE_LIMIT.");
  return notClerk(apiUrl, `answers ${status}`);
}

const notClerk = (apiUrl: string, what: string) =>
  failed(
    `${apiUrl} isn't Clerk's API: it ${what}`,
    "Leave CLERK_API_URL out, or mend it: without /v1 at its end.",
  );

async function instance({ clerk, fieldPolicy }: Asked, sql: Sql | null, signal: AbortSignal): Promise<Found> {
  const { response, body } = await ask(clerk, "/v1/instance", signal);
  const id = response.status === 200 ? String(JSON.parse(body.toString("utf8")).id ?? "") || null : null;
  if (clerk.instanceId && id && clerk.instanceId !== id) {
    return failed(
      `CLERK_INSTANCE_ID is ${clerk.instanceId}, and the key's instance is ${id}: every webhook would be refused`,
      `Set CLERK_INSTANCE_ID to ${id}, or leave it out.`,
    );
  }
  if (!sql) return noDatabase;
  const [held] = await sql`select to_regclass('mirror_data.upstream') is not null as is_there`;
  if (!held?.is_there) return ok(`${id ?? "Clerk"}; the mirror is new`);
  await refuseOtherUpstream(sql, {
    apiUrl: clerk.apiUrl,
    environment: clerk.secretKey?.startsWith("sk_live_") ? "live" : "test",
    instanceId: id,
    fieldPolicy: createFieldPolicy(fieldPolicy).fingerprint,
  });
  return ok(`${id ?? "Clerk"}, whose users this mirror holds`);
}
