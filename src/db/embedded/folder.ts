import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and what is missing above it, with this mode whatever our umask. Node's own `recursive` tries for ever
 * where nothing can be made in a folder that exists, such as /proc.
 */
export function makeFolder(path: string, mode: number): void {
  const missing: string[] = [];
  for (let folder = resolve(path); !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  for (const folder of missing) {
    try {
      mkdirSync(folder);
      chmodSync(folder, mode);
    } catch (error) {
      // Another process that starts now made it first.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  if (!statSync(path).isDirectory()) throw new Error(`${path} is a file, not a folder`);
}
