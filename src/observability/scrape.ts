import { Registry } from "prom-client";
import { createRequestCounter, type MeasuredRequest } from "./http-metrics.js";
import { createMirrorCounters, type KnownLabels, type MirrorCounters } from "./mirror-metrics.js";
import { processMetrics } from "./process-metrics.js";
import { registerState, type StateSources } from "./state-metrics.js";

/** Everything that a server counts, and how it is told. */
export interface Metrics {
  countRequest: (request: MeasuredRequest) => void;
  count: MirrorCounters;
  /** Tells of the state too, from now on. Call it once. */
  readStateFrom(sources: StateSources): void;
  scrape: Scrape;
}

/** The state of all metrics, as Prometheus reads it. */
export type Scrape = () => Promise<{ type: string; text: string }>;

export function createMetrics(known: KnownLabels): Metrics {
  const registry = new Registry();
  let readState: (() => Promise<void>) | null = null;
  return {
    countRequest: createRequestCounter(registry),
    count: createMirrorCounters(registry, known),
    readStateFrom(sources) {
      readState = registerState(registry, sources);
    },
    async scrape() {
      await readState?.();
      const texts = await Promise.all([registry.metrics(), processMetrics().metrics()]);
      return { type: registry.contentType, text: texts.join("\n") };
    },
  };
}
