import { Command } from "commander";
import { AppError } from "../lib/errors.js";
import type { Finding } from "../runtime/doctor/check.js";
import { diagnose } from "../runtime/doctor/doctor.js";
import { readEnvironment } from "./context.js";
import { print } from "./output.js";

interface Flags {
  url?: string;
  json?: boolean;
}

/** `user-mirror doctor`. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check everything that the mirror needs, and say what to do about what is wrong")
    .option("--url <address>", "where the mirror is reached from outside, to send the signed event there")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Looks at the configuration, Node, disk and shared memory, the database (reach, version, encoding, extension, rights, pooler, clock),
Clerk (key, clock, instance), and the webhook secret, by sending the mirror that runs here a signed event of a type that it
ignores. Changes nothing, except that it starts the embedded Postgres where none runs. Exits 1 if anything failed.

  $ user-mirror doctor
  $ user-mirror doctor --url https://mirror.example.com     the way that Clerk's webhooks take
`,
    )
    .action(doctor);
}

async function doctor(flags: Flags): Promise<void> {
  if (
    flags.url !== undefined &&
    !/^https?:$/.test(URL.canParse(flags.url) ? new URL(flags.url).protocol : "")
  ) {
    throw new AppError("usage", "--url takes an address such as https://mirror.example.com");
  }
  const checks = await diagnose({ env: readEnvironment(), url: flags.url ?? null });
  const isWell = checks.every(({ status }) => status !== "failed");
  print(flags, { ok: isWell, checks }, [...checks.map(line), "", verdict(checks)].join("\n"));
  if (!isWell) process.exitCode = 1;
}

const SIGNS = { ok: "ok     ", failed: "FAILED ", skipped: "skipped" };

const line = ({ name, status, message, fix }: Finding) =>
  [
    `${SIGNS[status]}  ${name}: ${message.replaceAll("\n", `\n${" ".repeat(11)}`)}`,
    ...(fix ? [`${" ".repeat(9)}→ ${fix}`] : []),
  ].join("\n");

function verdict(checks: readonly Finding[]): string {
  const wrong = checks.filter(({ status }) => status === "failed").length;
  return wrong === 0 ? "Nothing is wrong." : `${wrong} of ${checks.length} failed.`;
}
