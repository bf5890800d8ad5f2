import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The version in package.json, beside `dist/` or `src/`. */
export function version(): string {
  const file = join(packageRoot(), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The folder that holds package.json, whether the built code runs or the sources. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Scripts of package.json, which an installed copy's users can't run. */
const SCRIPTS: Readonly<Record<string, string>> = { demo: "npm run demo", serve: "npm start" };

/** How a person runs a command of ours: by npm in a checkout, by its own name where the package is installed. */
export function howToRun(command: string): string {
  const isCheckout = existsSync(join(packageRoot(), "src"));
  if (!isCheckout) return `npx user-mirror ${command}`;
  return SCRIPTS[command] ?? `npm run cli -- ${command}`;
}
