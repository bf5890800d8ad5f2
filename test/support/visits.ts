import { onTestFinished } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import type { TestDatabase } from "./database.js";
import { DAY_MS, dayOf } from "./sweeping.js";

/** The views end with the real today, so virtual time lies before it. */
export const FIRST = dayOf(Date.now()) - 35;
export const HOUR_MS = 3_600_000;

/** Noon of the day before the first, with a user for each of these ids. */
export async function started(users: number): Promise<{ sandbox: Sandbox; ids: string[] }> {
  const sandbox = await startSandbox({ clockMs: (FIRST - 1) * DAY_MS + 12 * HOUR_MS });
  onTestFinished(() => sandbox.close());
  const ids = Array.from({ length: users }, (_, n) =>
    String(sandbox.clerk.createUser({ external_id: String(n) }).id),
  );
  return { sandbox, ids };
}

/** Who was active at Clerk on which day, whatever becomes of them later. */
export class Actives {
  readonly byDay = new Map<number, Set<string>>();
  constructor(private readonly sandbox: Sandbox) {}

  /** A visit of somebody with a session, of which no event tells; or a sign-in, of which one does. */
  visit(id: string, isSignIn = false): void {
    const { clerk } = this.sandbox;
    const { last_active_at } = isSignIn ? clerk.signIn(id) : clerk.touchActivity(id);
    const day = dayOf(Number(last_active_at));
    this.byDay.set(day, (this.byDay.get(day) ?? new Set()).add(id));
  }

  on = (day: number) => this.byDay.get(day) ?? new Set<string>();

  /** How many were active on a day, of all users and of those who are left. */
  counts(day: number) {
    const left = new Set(this.sandbox.clerk.users().map(({ id }) => String(id)));
    return { all: this.on(day).size, left: [...this.on(day)].filter((id) => left.has(id)).length };
  }
}

/** How many days of activity there are, day by day, by a scan of the bits. */
export async function scanned({ sql }: TestDatabase): Promise<Map<string, number>> {
  const rows = await sql<{ day: string; n: number }[]>`
    select day::text, count(*)::integer as n from mirror.user_activity_days group by day`;
  return new Map(rows.map(({ day, n }) => [day, n]));
}
