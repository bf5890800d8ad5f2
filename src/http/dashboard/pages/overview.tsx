import type { Context } from "hono";
import { demandScope } from "../../../auth/scopes.js";
import { DAY_MS, isoDay } from "../../../lib/days.js";
import type { DailyUsers } from "../../../query/daily-users.js";
import type { HttpEnv } from "../../respond.js";
import { BASE } from "../assets/base.js";
import { firstDay, RANGES, type Range, rangeOf, zoneOf } from "../model/range.js";
import { createSharedStatus, type SharedStatus } from "../model/status.js";
import { count, Empty, Figure, Figures, Notice, Panel } from "../parts/basics.js";
import { Chart } from "../parts/chart.js";
import { Cohorts, type ShownCohort } from "../parts/cohorts.js";
import { htmlOf } from "../parts/html.js";
import { StatusPart } from "../parts/status.js";
import { liveHtml } from "../visit/live.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";

type Buckets = { data: { keys: [string]; count: number }[] };

/** Whether the mirror is in sync, and how its users become more and stay. */
export const overviewPage: Page = {
  ...{ path: "", title: "Overview", letter: "o", scope: "users:read" },
  mount(routes, show) {
    const sharedStatus = createSharedStatus();
    const statusFor = (visit: Visit) => sharedStatus(visit.api);
    routes
      .get(`${BASE}/`, async (c) => {
        const visit = visitOf(c);
        const isAdmin = visit.scopes.has("admin");
        const [status, charts] = await Promise.all([isAdmin ? statusFor(visit) : null, growth(c)]);
        return show(c, {
          title: "Overview",
          content: (
            <>
              {isAdmin ? (
                <div id="status" data-live={visit.link("overview/live")} aria-live="off">
                  {status ? (
                    <StatusPart visit={visit} status={status} nowMs={visit.nowMs} />
                  ) : (
                    <Notice tone="bad">
                      The status can't be read at the moment. It is tried again each second.
                    </Notice>
                  )}
                </div>
              ) : (
                <Total visit={visit} />
              )}
              <RangeForm visit={visit} />
              {charts}
              <Activity visit={visit} />
            </>
          ),
        });
      })
      .get(`${BASE}/overview/live`, (c) => {
        const visit = visitOf(c);
        const render = (status: NonNullable<Awaited<ReturnType<SharedStatus>>>) =>
          htmlOf(<StatusPart visit={visit} status={status} nowMs={Date.now()} />);
        demandScope(visit.scopes, "admin");
        return liveHtml(c, () => statusFor(visit), render);
      })
      .get(`${BASE}/overview/activity`, async (c) =>
        show(c, { title: "Activity", content: await activity(c) }),
      );
  },
};

async function Total({ visit }: { visit: Visit }) {
  const users = await visit.api.get<{ total_count: number }>("/v1/users/count");
  if (!users.isOk) return <Notice tone="bad">{users.problem}</Notice>;
  return (
    <Figures>
      <Figure name="Users">{count(users.body.total_count)}</Figure>
    </Figures>
  );
}

/** Range and time zone stand in the address, to be kept and sent. */
function RangeForm({ visit }: { visit: Visit }) {
  const range = rangeOf(visit.query.get("range"));
  return (
    <form method="get" action={visit.link("")} class="row panel" aria-label="Range of the charts">
      <label>
        Range
        <select name="range" data-submit="">
          {Object.keys(RANGES).map((name) => (
            <option value={name} selected={name === range}>
              {RANGES[name as Range]} days
            </option>
          ))}
        </select>
      </label>
      <label>
        Time zone
        <input name="zone" value={zoneOf(visit.query.get("zone"))} list="zones" size={20} />
      </label>
      <datalist id="zones">
        {[
          "UTC",
          "Europe/Berlin",
          "Europe/London",
          "America/New_York",
          "America/Los_Angeles",
          "Asia/Tokyo",
          "Asia/Kolkata",
        ].map((zone) => (
          <option value={zone} />
        ))}
      </datalist>
      <button type="submit">Show</button>
    </form>
  );
}

/** Sign-ups in the zone that was asked for; what is kept by day is by days of UTC. */
async function growth(c: Context<HttpEnv>) {
  const { api, query, nowMs } = visitOf(c);
  const [range, zone] = [rangeOf(query.get("range")), zoneOf(query.get("zone"))];
  const from = firstDay(range, nowMs);
  const [daily, signUps] = await Promise.all([
    api.get<{ data: DailyUsers[] }>(`/mirror/users/daily?from=${from}`),
    zone === "UTC"
      ? null
      : api.send<Buckets>("POST", "/mirror/users/aggregate", {
          filter: { created_at: { gte: from } },
          group_by: [{ field: "created_at", bucket: "day", time_zone: zone }],
        }),
  ]);
  if (!daily.isOk) return <Notice tone="bad">{daily.problem}</Notice>;
  const days = daily.body.data;
  if (days.length === 0)
    return (
      <Empty title="There are no users yet">
        Once Clerk has some, or the first copy has begun, they are counted here.
      </Empty>
    );
  const keys = days.map(({ day }) => day);
  const created = signUps?.isOk
    ? {
        keys: signUps.body.data.map(({ keys: [key] }) => key),
        values: signUps.body.data.map((row) => row.count),
      }
    : { keys, values: days.map((day) => day.created) };
  return (
    <div class="columns">
      <Panel title="Sign-ups">
        <Chart
          title={`A day, ${signUps?.isOk ? zone : "UTC"}`}
          keys={created.keys}
          series={[{ name: "sign-ups", values: created.values }]}
        />
      </Panel>
      <Panel title="Users">
        <Chart
          title="At the end of each day, UTC"
          keys={keys}
          series={[{ name: "users", values: days.map(({ users }) => users) }]}
        />
      </Panel>
      <Panel title="Active users">
        <Kept name="active" days={days} of={({ active }) => active} />
      </Panel>
      <Panel title="Deletions">
        <Kept name="deletions" days={days} of={({ deleted }) => deleted} />
      </Panel>
    </div>
  );
}

/** What is known from the mirror's first day on. */
function Kept({
  name,
  days,
  of,
}: {
  name: string;
  days: readonly DailyUsers[];
  of: (day: DailyUsers) => number | null;
}) {
  const known = days.filter((day) => of(day) !== null);
  if (known.length < 2)
    return (
      <Empty title="It begins today">
        The mirror counts these from its first day on; tomorrow there is a line.
      </Empty>
    );
  const series = [{ name, values: known.map(of) }];
  return <Chart title="A day, UTC" keys={known.map(({ day }) => day)} series={series} />;
}

/** What reads all days of all users: asked for when the page is there already, and without a script by a link. */
function Activity({ visit }: { visit: Visit }) {
  const address = visit.link("overview/activity", {
    range: visit.query.get("range") ?? undefined,
    zone: visit.query.get("zone") ?? undefined,
  });
  return (
    <div id="activity" hx-get={address} hx-trigger="load" hx-select="#activity" hx-swap="outerHTML">
      <Panel title="Weekly and monthly actives, retention">
        <a href={address}>Show them</a>
      </Panel>
    </div>
  );
}

/** Twelve weeks. From a day on, not from a moment: answers are kept by their filter while nothing changes. */
const COHORT_DAYS = 84;

async function activity(c: Context<HttpEnv>) {
  const { api, query, nowMs } = visitOf(c);
  const [range, zone] = [rangeOf(query.get("range")), zoneOf(query.get("zone"))];
  const from = firstDay(range, nowMs);
  const active = (bucket: string) =>
    api.send<Buckets>("POST", "/mirror/users/aggregate", { group_by: [{ field: "active_day", bucket }] });
  const [weeks, months, cohorts] = await Promise.all([
    active("week"),
    active("month"),
    api.send<{ data: ShownCohort[] }>("POST", "/mirror/users/retention", {
      filter: { created_at: { gte: isoDay(nowMs - COHORT_DAYS * DAY_MS) } },
      ...{ cohort: "week", periods: 12, time_zone: zone },
    }),
  ]);
  const chart = (answer: typeof weeks, title: string) => {
    if (!answer.isOk) return <Notice tone="bad">{answer.problem}</Notice>;
    const rows = answer.body.data.filter(({ keys: [key] }) => key !== null && key >= from.slice(0, 8));
    if (rows.length === 0)
      return (
        <Empty title="No days of activity yet">They come with sessions, from ACTIVITY_HISTORY=on on.</Empty>
      );
    return (
      <Chart
        title={title}
        keys={rows.map(({ keys: [key] }) => key)}
        series={[{ name: "active", values: rows.map((row) => row.count) }]}
      />
    );
  };
  return (
    <div id="activity" class="columns">
      <Panel title="Weekly active users">{chart(weeks, "A week, from Monday, UTC")}</Panel>
      <Panel title="Monthly active users">{chart(months, "A month, UTC")}</Panel>
      <Panel title="Retention" isWide>
        {cohorts.isOk ? (
          <Cohorts cohorts={cohorts.body.data} />
        ) : (
          <Notice tone="bad">{cohorts.problem}</Notice>
        )}
      </Panel>
    </div>
  );
}
