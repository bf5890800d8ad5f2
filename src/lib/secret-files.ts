import { readFileSync, statSync } from "node:fs";

type Environment = Readonly<Record<string, string | undefined>>;

/** A longer file can't be a secret: another file was meant. */
const MAX_BYTES = 64 * 1024;

/**
 * The contents of the files that the variables `NAME_FILE` name, by NAME, without the line break at their end. Problems
 * name the variable. They contain neither the secret nor the path, since a path may be a secret in the wrong variable.
 */
export function readSecretFiles(env: Environment, names: readonly string[]) {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of names) {
    const path = env[`${name}_FILE`]?.trim();
    if (!path) continue;
    if (env[name]?.trim()) {
      problems.push(`${name}_FILE and ${name} are both set: leave one of them out`);
      continue;
    }
    const { text, problem } = readSecret(path);
    if (problem === null) values[name] = text;
    else problems.push(`${name}_FILE ${problem}`);
  }
  return { values, problems };
}

function readSecret(path: string): { text: string; problem: string | null } {
  const refused = (problem: string) => ({ text: "", problem });
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return refused("names a folder, not a file");
    // Reading from a pipe or a device might never end.
    if (!stat.isFile()) return refused("names something that isn't an ordinary file");
    if (stat.size > MAX_BYTES)
      return refused(`names a file of more than ${MAX_BYTES / 1024} KiB, which is no secret`);
    const text = readFileSync(path, "utf8")
      .replace(/^\uFEFF/, "")
      .replace(/\r?\n$/, "");
    if (text.trim() === "") return refused("names a file that is empty");
    return { text, problem: null };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return refused(`names a file that can't be read (${code ?? "its name isn't possible"})`);
  }
}
