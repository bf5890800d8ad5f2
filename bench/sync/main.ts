import { Command } from "commander";
import { benchBackfill } from "./backfill.js";
import { benchHealing } from "./heal.js";

const say = (text: string) => void process.stderr.write(`${text}\n`);
const numbers = (text: string) => text.split(",").map(Number);

await new Command("bench:sync")
  .description("Measures what it costs to fill the mirror and to keep it right")
  .addCommand(
    new Command("heal")
      .description("requests that it takes to heal one missed change")
      .option("--users <n,…>", "among so many", numbers, [5000, 1_000_000])
      .action(({ users }: { users: number[] }) => benchHealing(users, say)),
  )
  .addCommand(
    new Command("backfill")
      .description("users per second from a sandbox Clerk, and where the time goes")
      .option("--users <n>", "how many", Number, 100_000)
      .action(({ users }: { users: number }) => benchBackfill(users, say)),
  )
  .parseAsync();
