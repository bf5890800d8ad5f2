import { Command } from "commander";
import type { Config, ConfigWithSecretKey } from "../config.js";
import { type EraseDeps, type Erasure, erase } from "../operations/erase.js";
import { openMirror } from "../runtime/mirror.js";
import type { Store } from "../runtime/store.js";
import { audited } from "./audit.js";
import { commandLogger, withStore } from "./context.js";
import { print } from "./output.js";

interface Flags {
  json?: boolean;
}

/** `user-mirror erase`. */
export function eraseCommand(): Command {
  return new Command("erase")
    .description("Remove every trace of a user whom Clerk doesn't have any more")
    .argument("<user_id>", "such as user_2abc…")
    .option("--json", "print what was removed as JSON")
    .addHelpText(
      "after",
      `
Delete the user at Clerk first. Then this removes the user's row and identifiers, memberships, days of activity, dead letters,
deliveries, questions to Clerk and rows of the feed. What stays is the tombstone, an id with times: no late message and no old
page revives it. With CLERK_SECRET_KEY, Clerk is asked whether the user is gone; without it, what Clerk told the mirror of the
deletion decides. It works beside a running server. Backups, WAL archives and logs outside the database are yours to clear.

  $ user-mirror erase user_2abc
`,
    )
    .action((id: string, flags: Flags) => audited("erase", [id], () => run(id, flags)));
}

function run(id: string, flags: Flags): Promise<void> {
  return withStore(async (store, config) => {
    const erasure = await erase(
      {
        sql: store.database.primary.patient,
        nowMs: store.clock.now,
        lagMs: config.upstream.lagMs,
        askClerk: await clerkOf(store, config),
      },
      id,
    );
    print(flags, erasure, describe(erasure));
  });
}

async function clerkOf(store: Store, config: Config): Promise<EraseDeps["askClerk"]> {
  if (config.clerk.secretKey === null) return null;
  // Asks too whether the key is that of the Clerk whose users these are: another one has none of them.
  const { api } = await openMirror(config as ConfigWithSecretKey, store, commandLogger(config));
  return (id) => api.getUser(id, { priority: "read" });
}

function describe({ id, gone_by, removed }: Erasure): string {
  const counts = Object.entries(removed).filter(([, n]) => n > 0);
  const width = Math.max(...counts.map(([table]) => table.length));
  return [
    `${id} is erased; ${gone_by === "clerk" ? "Clerk says that there is no such user" : "Clerk had told the mirror of the deletion"}.`,
    counts.length > 0 ? "Removed:" : "Nothing was left to remove.",
    ...counts.map(([table, n]) => `  ${table.padEnd(width)}  ${n}`),
    "The tombstone stays, so that no late message brings the user back.",
  ].join("\n");
}
