import { BASE } from "../assets/base.js";
import type { ShownStatus } from "../model/status.js";
import { Badge, count, Empty, Figure, Figures, Notice, Panel, Table, Time } from "../parts/basics.js";
import { visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";

const TONES = { live: "good", backfilling: "warn", degraded: "bad" } as const;

/** What the mirror runs on, and how each part of it is. */
export const systemPage: Page = {
  ...{ path: "system", title: "System", letter: "s", scope: "admin" },
  mount: (routes, show) =>
    routes.get(`${BASE}/system`, async (c) => {
      const { api, nowMs } = visitOf(c);
      const { isOk, body: status, problem } = await api.get<ShownStatus>("/mirror/status");
      if (!isOk)
        return show(c, { title: "System", status: 503, content: <Notice tone="bad">{problem}</Notice> });
      const outcomes = Object.entries(status.webhooks.outcomes);
      return show(c, {
        title: "System",
        content: (
          <>
            <Figures>
              <Figure name="State">
                <Badge tone={TONES[status.state]}>{status.state}</Badge>
              </Figure>
              <Figure name="Proved complete">
                <Time at={status.as_of} nowMs={nowMs} />
              </Figure>
              <Figure name="Users">{count(status.users)}</Figure>
              <Figure name="Organizations">{count(status.organizations)}</Figure>
              <Figure name="Memberships">{count(status.memberships)}</Figure>
              <Figure name="Dead letters" tone={status.dead_letters > 0 ? "bad" : "good"}>
                {count(status.dead_letters)}
              </Figure>
            </Figures>
            <div class="columns">
              <Panel title="Versions">
                <Pairs values={status.versions} />
              </Panel>
              <Panel title="Clerk">
                {status.upstream && <Pairs values={status.upstream} />}
                <Pairs values={status.budget} />
              </Panel>
              <Panel title="Cache of this process">
                {status.cache ? (
                  <Pairs values={status.cache} />
                ) : (
                  <Empty title="The cache is off">Set CACHE_MAX_BYTES.</Empty>
                )}
              </Panel>
              <Panel title="Webhooks of the last 7 days">
                {outcomes.length === 0 ? (
                  <Empty title="No webhook has come yet">
                    Add an endpoint in Clerk's dashboard that leads to <code>/webhooks/clerk</code>.
                  </Empty>
                ) : (
                  <Table caption="Webhooks by outcome" head={["outcome", "messages"]}>
                    {outcomes.map(([outcome, n]) => (
                      <tr>
                        <td>{outcome}</td>
                        <td class="number">{count(n)}</td>
                      </tr>
                    ))}
                  </Table>
                )}
              </Panel>
            </div>
          </>
        ),
      });
    }),
};

function Pairs({ values }: { values: Readonly<Record<string, unknown>> }) {
  return (
    <dl class="pairs">
      {Object.entries(values).map(([name, value]) => (
        <>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>{value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>
        </>
      ))}
    </dl>
  );
}
