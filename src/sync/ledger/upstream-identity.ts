import type { Sql } from "../../db/connection/sql.js";
import { isReadOnly } from "../../db/connection/trouble.js";
import { AppError } from "../../lib/errors.js";

/** The Clerk instance whose users a mirror holds. */
export interface UpstreamIdentity {
  apiUrl: string;
  /** Taken from the secret key: `sk_live_…` or `sk_test_…`. */
  environment: "live" | "test";
  /** Null if the upstream doesn't say. */
  instanceId: string | null;
  /** The fingerprint of the field policy under which its objects are stored. Absent or null: they are stored whole. */
  fieldPolicy?: string | null;
}

/**
 * Remembers the upstream at the first start. Later it throws `configuration` if the upstream is another one, because
 * its users would mix with those of the first.
 */
export async function ensureUpstreamIdentity(sql: Sql, identity: UpstreamIdentity): Promise<void> {
  await remember(sql, identity).catch((error) => {
    // A standby can be compared too.
    if (!isReadOnly(error)) throw error;
  });
  await refuseOtherUpstream(sql, identity);
}

/** Throws the same, and remembers nothing. */
export async function refuseOtherUpstream(sql: Sql, identity: UpstreamIdentity): Promise<void> {
  const { apiUrl, environment, instanceId, fieldPolicy = null } = identity;
  const [held] = await sql<HeldRow[]>`
    select api_url, environment, instance_id, field_policy from mirror_data.upstream`;
  if (!held) return;
  if (held.field_policy !== fieldPolicy) throw new AppError("configuration", OTHER_POLICY);
  const differences = [
    differenceOf("CLERK_API_URL", held.api_url, apiUrl),
    differenceOf("the environment of CLERK_SECRET_KEY", held.environment, environment),
    instanceId && held.instance_id ? differenceOf("the Clerk instance", held.instance_id, instanceId) : null,
  ].filter((difference) => difference !== null);
  if (differences.length === 0) return;
  throw new AppError(
    "configuration",
    `This mirror holds the users of another Clerk: ${differences.join("; ")}. ` +
      "Set it back, use another database, or empty this mirror with `user-mirror rebuild`.",
  );
}

interface HeldRow {
  api_url: string;
  environment: string;
  instance_id: string | null;
  field_policy: string | null;
}

const OTHER_POLICY =
  "This mirror was filled under another FIELD_POLICY (or FIELD_POLICY_KEY): what it holds follows that one. Set it back, or stop " +
  "every process of the mirror, empty it with `user-mirror rebuild`, and start again, which fills it under the new one.";

async function remember(sql: Sql, identity: UpstreamIdentity): Promise<void> {
  const { apiUrl, environment, instanceId, fieldPolicy = null } = identity;
  await sql`
    insert into mirror_data.upstream (api_url, environment, instance_id, field_policy)
    values (${apiUrl}, ${environment}, ${instanceId}, ${fieldPolicy}) on conflict (one) do nothing`;
  await sql`
    update mirror_data.upstream set instance_id = ${instanceId}
    where instance_id is null and ${instanceId}::text is not null and api_url = ${apiUrl} and environment = ${environment}`;
}

const differenceOf = (what: string, held: string, now: string) =>
  held === now ? null : `${what} was ${held} and is ${now}`;
