import type { ShownVariable } from "../../routes/admin.js";
import { BASE } from "../assets/base.js";
import { type Sample, samplesOf } from "../model/scrape.js";
import type { ShownStatus } from "../model/status.js";
import {
  Badge,
  count,
  Empty,
  Figure,
  Figures,
  Notice,
  OfNumbers,
  Panel,
  Table,
  Time,
} from "../parts/basics.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";

const TONES = { live: "good", backfilling: "warn", degraded: "bad" } as const;

/** What the mirror runs on, how each part of it is, and with which configuration. */
export const systemPage: Page = {
  ...{ path: "system", title: "System", letter: "s", scope: "admin" },
  mount: (routes, show) =>
    routes.get(`${BASE}/system`, async (c) => {
      const visit = visitOf(c);
      const [status, variables, metrics] = await Promise.all([
        visit.api.get<ShownStatus>("/mirror/status"),
        visit.api.get<{ data: ShownVariable[] }>("/mirror/config"),
        visit.api.raw("/metrics"),
      ]);
      if (!status.isOk) {
        const content = <Notice tone="bad">{status.problem}</Notice>;
        return show(c, { title: "System", status: status.status === 403 ? 403 : 503, content });
      }
      const samples = metrics.ok ? samplesOf(await metrics.text()) : [];
      return show(c, {
        title: "System",
        content: (
          <>
            <Health visit={visit} status={status.body} />
            <div class="columns">
              <Pools samples={samples} />
              <Waiting samples={samples} />
              <ThisProcess status={status.body} samples={samples} />
              <Webhooks outcomes={status.body.webhooks.outcomes} />
            </div>
            <Panel title="Configuration">
              {variables.isOk ? (
                <Configuration variables={variables.body.data} />
              ) : (
                <Notice tone="bad">{variables.problem}</Notice>
              )}
            </Panel>
          </>
        ),
      });
    }),
};

function Health({ visit: { nowMs }, status }: { visit: Visit; status: ShownStatus }) {
  const { upstream, walker, budget, database, versions } = status;
  return (
    <>
      <Figures>
        <Figure name="State">
          <Badge tone={TONES[status.state]}>{status.state}</Badge>
        </Figure>
        <Figure name="Proved complete" note="users">
          <Time at={status.as_of} nowMs={nowMs} />
        </Figure>
        <Figure name="Proved complete" note="memberships">
          <Time at={status.memberships_as_of} nowMs={nowMs} />
        </Figure>
        <Figure name="Organizations">{count(status.organizations)}</Figure>
        <Figure name="Memberships">{count(status.memberships)}</Figure>
      </Figures>
      <Panel title="Parts">
        <dl class="pairs">
          <dt>Versions</dt>
          <dd>
            User Mirror {versions.mirror}, Node {versions.node}, PostgreSQL {versions.postgres}
          </dd>
          <dt>Postgres</dt>
          <dd>{database.embedded ? `embedded, ${database.embedded.location}` : "at DATABASE_URL"}</dd>
          <dt>Clerk</dt>
          <dd>{upstream ? `${upstream.api_url} (${upstream.environment})` : "not asked yet"}</dd>
          <dt>Requests to Clerk</dt>
          <dd>
            {budget.used.urgent + budget.used.background} in the last 10 s
            {budget.limit !== null && `, of ${count(budget.limit)}`}; runs use{" "}
            {Math.round(budget.share * 100)} % of their share
          </dd>
          <dt>Runs are done by</dt>
          <dd>{walker ? walker.holder : "nobody at present"}</dd>
          <dt>Webhooks</dt>
          <dd>{status.webhooks.configured ? "verified" : "CLERK_WEBHOOK_SIGNING_SECRET is not set"}</dd>
        </dl>
      </Panel>
    </>
  );
}

const sampleOf = (samples: readonly Sample[], name: string) =>
  samples.find((one) => one.name === name)?.value;

/** Connections to Postgres, of the process that answers. */
function Pools({ samples }: { samples: readonly Sample[] }) {
  const found = samples.filter(({ name, labels }) => name.includes("_pool_") && labels.pool !== undefined);
  const columns = [...new Set(found.map(({ name, labels }) => labels.state ?? name.replace(/.*_pool_/, "")))];
  const pools = [...new Set(found.map(({ labels }) => labels.pool))];
  return (
    <Panel title="Pools of this process">
      {pools.length === 0 ? (
        <Empty title="Nothing is told of pools">This key may not read /metrics here (OPEN_ROUTES).</Empty>
      ) : (
        <Table
          caption="Connections to Postgres by pool"
          head={["pool", ...columns.map((column) => <OfNumbers>{column.replaceAll("_", " ")}</OfNumbers>)]}
        >
          {pools.map((pool) => (
            <tr>
              <td>{pool}</td>
              {columns.map((column) => (
                <td class="number">
                  {found.find(
                    (one) =>
                      one.labels.pool === pool &&
                      (one.labels.state ?? one.name.replace(/.*_pool_/, "")) === column,
                  )?.value ?? "–"}
                </td>
              ))}
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

/** What waits in a queue of the process that answers. */
function Waiting({ samples }: { samples: readonly Sample[] }) {
  const queues = samples.filter(
    ({ name }) => /^user_mirror_\w*waiting$/.test(name) && !name.includes("_pool_"),
  );
  return (
    <Panel title="Queues of this process">
      {queues.length === 0 ? (
        <Empty title="Nothing is told of queues">They are part of /metrics.</Empty>
      ) : (
        <Table caption="What waits" head={["queue", <OfNumbers>waiting</OfNumbers>]}>
          {queues.map(({ name, labels, value }) => (
            <tr>
              <td>
                {[
                  name.replace(/^user_mirror_|_waiting$/g, "").replaceAll("_", " "),
                  ...Object.values(labels),
                ].join(", ")}
              </td>
              <td class="number">{count(value)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function ThisProcess({ status: { cache }, samples }: { status: ShownStatus; samples: readonly Sample[] }) {
  const resident = sampleOf(samples, "process_resident_memory_bytes");
  const delay = sampleOf(samples, "nodejs_eventloop_lag_p99_seconds");
  const asked = cache ? (cache.hits ?? 0) + (cache.misses ?? 0) : 0;
  return (
    <Panel title="This process">
      <dl class="pairs">
        {resident !== undefined && (
          <>
            <dt>Memory</dt>
            <dd>{megabytes(resident)}</dd>
          </>
        )}
        {delay !== undefined && (
          <>
            <dt>Event loop, 99 %</dt>
            <dd>{Math.round(delay * 10_000) / 10} ms late</dd>
          </>
        )}
        <dt>Cache</dt>
        <dd>
          {cache
            ? `${count(cache.entries ?? 0)} users in ${megabytes(cache.bytes ?? 0)} of ${megabytes(cache.max_bytes ?? 0)}`
            : "off (CACHE_MAX_BYTES)"}
        </dd>
        {asked > 0 && (
          <>
            <dt>Answered by it</dt>
            <dd>
              {Math.round(((cache?.hits ?? 0) / asked) * 1000) / 10} % of {count(asked)} reads by id
            </dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

const megabytes = (bytes: number) => `${Math.round(bytes / 104_857.6) / 10} MiB`;

function Webhooks({ outcomes }: { outcomes: Readonly<Record<string, number>> }) {
  const rows = Object.entries(outcomes);
  return (
    <Panel title="Webhooks of the last 7 days">
      {rows.length === 0 ? (
        <Empty title="No webhook has come yet">
          Add an endpoint in Clerk's dashboard that leads to <code>/webhooks/clerk</code>.
        </Empty>
      ) : (
        <Table caption="Webhooks by outcome" head={["outcome", <OfNumbers>messages</OfNumbers>]}>
          {rows.map(([outcome, n]) => (
            <tr>
              <td>{outcome.replaceAll("_", " ")}</td>
              <td class="number">{count(n)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function Configuration({ variables }: { variables: readonly ShownVariable[] }) {
  return (
    <Table caption="Variables of the environment" head={["variable", "value", "from", "what it is for"]}>
      {variables.map(({ name, value, source, description, default: otherwise }) => (
        <tr>
          <td>
            <code>{name}</code>
          </td>
          <td>{value ?? <span class="quiet">{otherwise}</span>}</td>
          <td>{source === "default" ? <span class="quiet">default</span> : source}</td>
          <td class="quiet">{description}</td>
        </tr>
      ))}
    </Table>
  );
}
