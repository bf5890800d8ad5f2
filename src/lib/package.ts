import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The version that package.json states. */
export function packageVersion(): string {
  const file = join(packageRoot(), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The folder with package.json. Its depth from here differs between `src/` and the built `dist/`. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Commands with a script in package.json, which exists only in a checkout. */
const SCRIPTS: Readonly<Record<string, string>> = { demo: "npm run demo", serve: "npm start" };

/** What a person types to run a command: an npm script in a checkout, `npx user-mirror` for an installed package. */
export function howToRun(command: string): string {
  const isCheckout = existsSync(join(packageRoot(), "src"));
  if (!isCheckout) return `npx user-mirror ${command}`;
  return SCRIPTS[command] ?? `npm run cli -- ${command}`;
}
