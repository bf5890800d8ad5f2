import { Registry } from "prom-client";
import { createRequestCounter, type MeasuredRequest } from "./http-metrics.js";
import { processMetrics } from "./process-metrics.js";

/** Everything that a server counts, and how it is told. */
export interface Metrics {
  countRequest: (request: MeasuredRequest) => void;
  scrape: Scrape;
}

/** The state of all metrics, as Prometheus reads it. */
export type Scrape = () => Promise<{ type: string; text: string }>;

export function createMetrics(): Metrics {
  const registry = new Registry();
  return {
    countRequest: createRequestCounter(registry),
    async scrape() {
      const text = await Promise.all([registry.metrics(), processMetrics().metrics()]);
      return { type: registry.contentType, text: text.join("\n") };
    },
  };
}
