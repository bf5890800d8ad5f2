import type { Command } from "commander";

type Example = readonly [line: string, what: string];

/** What one types, by command. Those whose help explains more have their examples there. */
const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  serve: [
    ["serve", "on HOST and PORT, until Ctrl-C"],
    ["serve | jq -c 'select(.level >= 40)'", "warnings and errors alone"],
  ],
  demo: [["demo", "prints a key and lines to paste; DEMO_USERS says how many people"]],
  sandbox: [["sandbox --port 0 --users 500", "a Clerk to try things on; prints its address and its key"]],
  migrate: [
    ["migrate", "before a new version starts, if you want to see it done"],
    ['migrate --print-grants | psql "$DATABASE_URL"', "by a DBA, where the mirror's role may make no roles"],
  ],
  "keys create": [
    ["keys create --name dashboard --scope users:read", "for a client that reads"],
    ["keys create --name sync --scope users:read,changes:read --rate 50/s", "for one that follows changes"],
  ],
  "keys list": [["keys list", "who has which scopes"]],
  "keys revoke": [["keys revoke dashboard", "by name or id"]],
  status: [
    ["status", "for people"],
    ["status --json | jq .as_of", "for programs"],
  ],
  "users get": [["users get user_2abc --private", "with private metadata"]],
  drift: [
    ["drift", "after an outage: is anything missing?"],
    ["drift --full", "every user; changes nothing either"],
  ],
  backfill: [["backfill && user-mirror serve", "filled before the first request"]],
  reconcile: [
    ["reconcile", "now, instead of within RECONCILE_INTERVAL"],
    ["reconcile --full --dry-run", "what a full comparison would repair"],
    [
      "reconcile --full --allow-purge",
      "where it stopped because too many would be deleted, and that is right",
    ],
  ],
  "dead-letters list": [["dead-letters list", "what couldn't be applied, and why"]],
  "dead-letters show": [["dead-letters show msg_2abc", "its content, without private metadata"]],
  "dead-letters replay": [["dead-letters replay msg_2abc", "after what was wrong with it was mended"]],
  "dead-letters drop": [
    ["dead-letters drop msg_2abc", "for good: Clerk was asked about its user in any case"],
  ],
  rebuild: [["rebuild", "after a change to another Clerk instance or FIELD_POLICY"]],
  reset: [["reset", "the embedded Postgres, not that of DATABASE_URL"]],
};

/** Shows a command's examples below its help. `path`: the words that lead to it. */
export function showExamples(command: Command, path: string): void {
  const examples = EXAMPLES[path];
  if (!examples) return;
  const name = (line: string) => `user-mirror ${line}`;
  const width = Math.max(...examples.map(([line]) => name(line).length));
  command.addHelpText(
    "after",
    `\n${examples.map(([line, what]) => `  $ ${name(line).padEnd(width)}  ${what}\n`).join("")}`,
  );
}
