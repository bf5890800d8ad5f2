import { Command } from "commander";
import { createLogger } from "../observability/logger.js";
import { startServer } from "../runtime/server.js";
import { configWithKey, untilInterrupted } from "./context.js";
import { createProgress } from "./progress.js";

/** `user-mirror serve`, which is what `npm start` runs. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("Run the server: migrate, backfill if the mirror is empty, answer, reconcile")
    .addHelpText(
      "after",
      "\nNeeds CLERK_SECRET_KEY. Stops cleanly on Ctrl-C or SIGTERM: what is in flight is finished.",
    )
    .action(serve);
}

async function serve(): Promise<void> {
  const config = configWithKey();
  const log = createLogger(config.log);
  const interrupted = untilInterrupted();
  // Log lines would tear the bar apart, so it is shown only when logs are silenced.
  const progress = createProgress(process.stderr, !process.stderr.isTTY || config.log.level !== "silent");
  const asked = new Promise<void>((resolve) => {
    interrupted.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const starting = startServer(config, log, progress.report);
  const server = await Promise.race([starting, asked.then(graceToStart)]);
  // The start still waits for something. No request has been answered yet, so the process can just exit.
  if (!server) process.exit();
  await asked;
  await server.stop();
}

/** How long a start may go on after it was told to stop: one that is nearly done can then stop in order. */
const GRACE_MS = 3000;

const graceToStart = () => new Promise<null>((resolve) => setTimeout(resolve, GRACE_MS, null).unref());
