import type { Config } from "../../config.js";
import { loadConfig } from "../../config.js";
import { AppError } from "../../lib/errors.js";
import { check, type Finding, failed, ok } from "./check.js";
import { checkClerk } from "./clerk.js";
import { checkDatabase } from "./database.js";
import { checkMachine } from "./machine.js";
import { checkWebhook, type WebhookOptions } from "./webhook.js";

export interface DoctorOptions extends WebhookOptions {
  env: Readonly<Record<string, string | undefined>>;
  sharedMemory?: string;
}

/**
 * Looks at everything that the mirror needs, and says of each what it found and what to do. Each check has a deadline, and all of them
 * are made, as far as those before let them.
 */
export async function diagnose({ env, url, sharedMemory }: DoctorOptions): Promise<Finding[]> {
  const configuration = await check("configuration", () => {
    loadConfig(env, { needs: { secretKey: true } });
    return ok("every variable can be read");
  });
  const config = readable(env);
  if (!config) return [withFix(configuration)];
  const machine = await checkMachine({
    dataDir: config.database.dataDir,
    embedded: config.database.url === null,
    ...(sharedMemory !== undefined && { sharedMemory }),
  });
  const database = await checkDatabase(config.database, (sql) => checkClerk(config, sql));
  return [withFix(configuration), ...machine, ...database, ...(await checkWebhook(config, { url }))];
}

const withFix = (finding: Finding): Finding =>
  finding.status === "failed"
    ? {
        ...finding,
        ...failed(
          finding.message,
          "`user-mirror config --explain` says what holds, and where it comes from.",
        ),
      }
    : finding;

/** The configuration, also where only the key is missing. */
function readable(env: DoctorOptions["env"]): Config | null {
  try {
    return loadConfig(env);
  } catch (error) {
    if (error instanceof AppError && error.code === "configuration") return null;
    throw error;
  }
}
