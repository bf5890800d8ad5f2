import { userInfo } from "node:os";
import { statusOf } from "../http/errors.js";
import { AppError } from "../lib/errors.js";
import { createAudit, outcomeOf } from "../observability/audit.js";
import { commandLogger, configWithoutKey } from "./context.js";

/** Told of each id that a command's arguments don't name: of what it made, or found by a name. */
export type NoteId = (id: string) => void;

/**
 * Runs what a command changes, and writes the same line about it as about a request: which account, what, about which ids, how it
 * ended. Throws `configuration` before it begins where the environment can't be read.
 */
export async function audited(
  action: string,
  named: readonly string[],
  work: (note: NoteId) => Promise<void>,
): Promise<void> {
  const audit = createAudit(commandLogger(configWithoutKey()));
  const ids = [...named];
  const end = (status: number) => audit({ account: accountName(), action, ids, outcome: outcomeOf(status) });
  try {
    await work((id) => ids.push(id));
  } catch (error) {
    end(error instanceof AppError ? statusOf(error.code) : 500);
    throw error;
  }
  // A command that says by its exit code that it didn't do what it was asked for hasn't thrown anything.
  end(process.exitCode ? 500 : 200);
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // Containers often run by a number that no account has.
    return `uid ${process.getuid?.()}`;
  }
}
