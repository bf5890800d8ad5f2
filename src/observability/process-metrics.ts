import { collectDefaultMetrics, Registry } from "prom-client";

let registry: Registry | null = null;

/**
 * Node's own figures: CPU, memory, garbage collection, and how late the event loop is (`nodejs_eventloop_lag_*`). They are those of the
 * process, so there is one registry of them, however many servers it has.
 */
export function processMetrics(): Registry {
  if (registry) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
