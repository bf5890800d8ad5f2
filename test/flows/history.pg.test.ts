// Covers src/sync/

import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { type TestDatabase, test } from "../support/database.js";
import { expectSame, killHard, spawnMirror, untilLive, withoutCountdowns } from "../support/mirror.js";

/** How far the stand-in's lists trail, and what the mirror is told that they may. */
const LIST_LAG_MS = 300;
const UPSTREAM_LAG_MS = 500;

type Step =
  | { kind: "change"; what: number; who: number }
  | { kind: "write"; who: number }
  | { kind: "webhooks"; fault: "drop" | "duplicate" | "reorder" | "delay"; times: number }
  | { kind: "walk"; fault: "deletions" | "cursorDeletions" | "backdated" }
  | { kind: "lag"; of: "lists" | "counts"; on: boolean }
  | { kind: "loss"; rate: number }
  | { kind: "reconcile"; mode: "incremental" | "full"; wait: boolean }
  | { kind: "look"; who: number }
  | { kind: "kill" };

const number = fc.nat(1_000_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("change" as const), what: fc.nat(11), who: number }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("write" as const), who: number }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("webhooks" as const),
      fault: fc.constantFrom("drop" as const, "duplicate" as const, "reorder" as const, "delay" as const),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("walk" as const),
      fault: fc.constantFrom("deletions" as const, "cursorDeletions" as const, "backdated" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("lag" as const),
      of: fc.constantFrom("lists" as const, "counts" as const),
      on: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("loss" as const), rate: fc.constantFrom(0, 0.1, 0.5) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("reconcile" as const),
      mode: fc.constantFrom("incremental" as const, "incremental" as const, "full" as const),
      wait: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("look" as const), who: number }) },
  { weight: 1, arbitrary: fc.constant({ kind: "kill" as const }) },
);

/** A mirror process that can be killed, over a Clerk that can be made to go wrong. */
class History {
  private child: Awaited<ReturnType<typeof spawnMirror>> | null = null;
  private names = 0;

  constructor(
    private readonly db: TestDatabase,
    private readonly sandbox: Sandbox,
  ) {}

  async start(): Promise<void> {
    const env = {
      UPSTREAM_LAG: `${UPSTREAM_LAG_MS}ms`,
      RECONCILE_INTERVAL: "0",
      FULL_RECONCILE_INTERVAL: "0",
      LOG_LEVEL: "info",
    };
    this.child = await spawnMirror({ sandbox: this.sandbox, databaseUrl: this.db.url, env });
  }

  async kill(): Promise<void> {
    if (this.child) await killHard(this.child.child);
    this.child = null;
  }

  get url(): string {
    return this.child?.url ?? "";
  }

  ask(path: string, init: RequestInit & { key?: string } = {}): Promise<Response> {
    const headers = {
      Authorization: `Bearer ${init.key ?? this.sandbox.secretKey}`,
      "Content-Type": "application/json",
    };
    return fetch(`${this.url}${path}`, { ...init, headers });
  }

  async take(step: Step): Promise<void> {
    const { sandbox } = this;
    switch (step.kind) {
      case "change":
        return this.change(step.what, step.who);
      case "write": {
        const id = this.pick(sandbox.clerk.users(), step.who);
        const first_name = `Written ${++this.names}`;
        const answer = await this.ask(`/v1/users/${id}`, {
          method: "PATCH",
          body: JSON.stringify({ first_name }),
        });
        if (answer.status !== 200) return;
        const read = (await (await this.ask(`/v1/users/${id}`)).json()) as Record<string, unknown>;
        expect(read.first_name).toBe(first_name);
        return;
      }
      case "webhooks": {
        const { faults } = sandbox.webhooks;
        if (step.fault === "delay") faults.delay = { times: step.times, ms: 150 };
        else faults[step.fault] = step.times;
        return;
      }
      case "walk":
        sandbox.walkFaults[step.fault] = 1;
        return;
      case "lag":
        if (step.of === "lists") sandbox.setListLag(step.on ? LIST_LAG_MS : 0);
        else sandbox.setCountLag(step.on ? LIST_LAG_MS : 0);
        return;
      case "loss":
        sandbox.webhooks.faults.lossRate = step.rate;
        return;
      case "reconcile": {
        const ended = await this.reconcile(step.mode);
        if (!step.wait) return;
        await expect.poll(ended, { timeout: 30_000 }).not.toBe("running");
        return this.expectProved();
      }
      case "look":
        await this.look(step.who);
        return this.expectProved();
      case "kill":
        await this.kill();
        await this.start();
    }
  }

  private pick(list: Record<string, unknown>[], who: number): string {
    return String(list[who % Math.max(1, list.length)]?.id ?? "nobody");
  }

  private change(what: number, who: number): void {
    const { clerk } = this.sandbox;
    const users = clerk.users();
    const user = this.pick(users, who);
    const organizations = clerk.organizations();
    const memberships = clerk.memberships() as {
      id: string;
      organization: { id: string };
      public_user_data: { user_id: string };
    }[];
    const membership = memberships[who % Math.max(1, memberships.length)];
    if (users.length === 0 || what === 0) clerk.createUser({ first_name: `Created ${++this.names}` });
    else if (what === 1) clerk.updateUser(user, { first_name: `Changed ${++this.names}` });
    else if (what === 2) clerk.updateMetadata(user, { private_metadata: { n: ++this.names } });
    else if (what === 3) clerk.updateMetadata(user, { public_metadata: { n: ++this.names } });
    else if (what === 4) clerk.deleteUser(user);
    else if (what === 5) clerk.ban(user);
    else if (what === 6) clerk.signIn(user);
    else if (what === 7) clerk.createOrganization({ name: `Organization ${++this.names}` });
    else if (what === 8 && membership)
      clerk.updateMembership(membership.organization.id, membership.public_user_data.user_id, {
        role: "org:admin",
      });
    else if (what === 9 && membership)
      clerk.deleteMembership(membership.organization.id, membership.public_user_data.user_id);
    else if (what === 10 && organizations.length > 3) clerk.deleteOrganization(this.pick(organizations, who));
    else this.join(user, this.pick(organizations, who));
  }

  private join(user_id: string, organization_id: string): void {
    const { clerk } = this.sandbox;
    const isMember = clerk.memberships().some((one) => {
      const { organization, public_user_data } = one as Record<string, { id: string; user_id: string }>;
      return organization?.id === organization_id && public_user_data?.user_id === user_id;
    });
    const exists = clerk.organizations().some(({ id }) => id === organization_id);
    if (!isMember && exists) clerk.createMembership({ organization_id, user_id, role: "org:member" });
  }

  /** Whose deletion was acknowledged is never readable again. */
  private async look(who: number): Promise<void> {
    const acknowledged = this.sandbox.webhooks.deliveries.filter(
      ({ type, attempts }) => type === "user.deleted" && attempts.includes(200),
    );
    const one = acknowledged[who % Math.max(1, acknowledged.length)];
    if (!one) return;
    const { id } = JSON.parse(one.body).data as { id: string };
    expect((await this.ask(`/v1/users/${id}`)).status).toBe(404);
    expect(await (await this.ask(`/v1/users?user_id=${id}`)).json()).toEqual([]);
  }

  /** Whoever last changed before the moment up to which the mirror says it is complete is here as at Clerk. */
  private async expectProved(): Promise<void> {
    const rows = await this.db.sql<
      { as_of: number | null; id: string | null; user: string | null; updated_at: number | null }[]
    >`
      select p.as_of, u.id, u.payload as user, u.updated_at
      from mirror_data.upstream p left join mirror_data.users u on u.payload is not null`;
    const asOfMs = rows[0]?.as_of;
    if (!asOfMs) return;
    const here = new Map(
      rows.map(({ id, user, updated_at }) => [id, user && withoutTimes({ ...JSON.parse(user), updated_at })]),
    );
    const there = new Map(this.sandbox.clerk.users().map((user) => [String(user.id), withoutTimes(user)]));
    const changedAtMs = this.changedAtMs();
    const wrong = [...new Set([...here.keys(), ...there.keys()])].flatMap((id) => {
      const changed = changedAtMs.get(id ?? "") ?? 0;
      const isSame = !id || isDeepStrictEqual(here.get(id), there.get(id));
      return changed >= asOfMs || isSame
        ? []
        : [{ asOfMs, changed, here: here.get(id), there: there.get(id) }];
    });
    expect(wrong).toEqual([]);
  }

  /** When each user last changed at Clerk, by the messages that it made of it, sent or not. */
  private changedAtMs(): Map<string, number> {
    const changed = new Map<string, number>();
    for (const { body, type } of this.sandbox.webhooks.deliveries) {
      const { timestamp, data } = JSON.parse(body) as { timestamp: number; data: { id: string } };
      if (type.startsWith("user.")) changed.set(data.id, Math.max(timestamp, changed.get(data.id) ?? 0));
    }
    return changed;
  }

  /** Everything goes right from now on; then the mirror must be what Clerk is. */
  async settle(): Promise<void> {
    const { sandbox } = this;
    sandbox.setListLag(0);
    Object.assign(sandbox.walkFaults, { deletions: 0, cursorDeletions: 0, backdated: 0 });
    const none = { drop: 0, duplicate: 0, reorder: 0, delay: { times: 0, ms: 0 }, lossRate: 0 };
    Object.assign(sandbox.webhooks.faults, none);
    // Brings the message along that a reordering may still hold.
    sandbox.clerk.createUser({ first_name: "Last" });
    await untilLive(this.url);
    await sandbox.webhooks.settle();
    await setTimeout(UPSTREAM_LAG_MS + 50);
    await expect.poll(await this.reconcile("full"), { timeout: 30_000 }).toBe("succeeded");
    await expect
      .poll(async () => (await this.db.sql`select count(*) as n from mirror_data.refetches`)[0]?.n, {
        timeout: 20_000,
      })
      .toBe(0);
  }

  /** Starts a run, and returns what tells its state: `running` also while it waits. */
  private async reconcile(mode: "incremental" | "full"): Promise<() => Promise<string>> {
    const body = JSON.stringify({ mode });
    const answer = await this.ask("/mirror/reconcile", { method: "POST", key: "um_test", body });
    const { run_id } = (await answer.json()) as { run_id: string };
    return async () => {
      const run = await (await this.ask(`/mirror/runs/${run_id}`, { key: "um_test" })).json();
      const { state } = run as { state: string };
      return state === "queued" ? "running" : state;
    };
  }

  /** Users, memberships, counts and tombstones; `first`: the users that were there before anything happened. */
  async expectEqual(first: readonly string[]): Promise<void> {
    await expectSame(this.url, this.sandbox);
    // A user may be created in the middle of a walk and be deleted by the next step: only the messages tell of all.
    const created = this.sandbox.webhooks.deliveries.filter(({ type }) => type === "user.created");
    const everCreated = new Set([...first, ...created.map(({ body }) => JSON.parse(body).data.id)]);
    const living = new Set(this.sandbox.clerk.users().map(({ id }) => String(id)));
    const rows = await this.db.sql<{ id: string; gone: boolean; personal: boolean }[]>`
      select id, deleted_at is not null as gone, payload is not null or private_metadata is not null as personal
      from mirror_data.users`;
    for (const { id, gone, personal } of rows) {
      expect([id, gone, personal]).toEqual([id, !living.has(id), living.has(id)]);
      expect(everCreated.has(id)).toBe(true);
    }
  }
}

/** Sign-ins are told by webhooks alone: they don't move `updated_at`, and nothing else shows that one was lost. */
function withoutTimes({
  private_metadata,
  last_sign_in_at,
  last_active_at,
  ...user
}: Record<string, unknown>): unknown {
  return withoutCountdowns(user);
}

test("whatever happens, in whatever order, the mirror ends as Clerk is, and no deletion that it acknowledged is undone", async ({
  db,
}) => {
  const histories = fc.array(step, { minLength: 100, maxLength: 300, size: "max" });
  await fc.assert(
    fc.asyncProperty(histories, fc.nat(), async (steps, seed) => {
      await db.truncate();
      const retryScheduleMs = Array.from({ length: 200 }, () => 100);
      const sandbox = await startSandbox({
        ...{ users: 30, organizations: 4, seed: seed + 1, loneSurrogates: true, retryScheduleMs },
      });
      const history = new History(db, sandbox);
      try {
        const first = sandbox.clerk.users().map(({ id }) => String(id));
        await history.start();
        for (const one of steps) await history.take(one);
        await history.settle();
        await history.expectEqual(first);
      } finally {
        await history.kill();
        await sandbox.close();
      }
    }),
    { numRuns: Number(process.env.HISTORY_RUNS ?? 2), endOnFailure: true },
  );
}, 600_000);
