// Traces of each request by OpenTelemetry:
//
//   npm install @hono/otel @opentelemetry/api @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http
//   OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 node --import ./tracing.mjs node_modules/user-mirror/dist/cli/main.js serve
//
// The SDK must be there before the mirror starts, so it is started by --import. Any other SDK will do, such as
// `@opentelemetry/sdk-node` with its instrumentations: the mirror takes whatever tracer is registered.
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-node";

const provider = new NodeTracerProvider({
  // One request in ten, and all that belong to a trace that was begun elsewhere and is sampled.
  sampler: new ParentBasedSampler({
    root: new TraceIdRatioBasedSampler(Number(process.env.OTEL_TRACES_SAMPLER_ARG ?? 0.1)),
  }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();

process.once("SIGTERM", () => void provider.shutdown());
process.once("SIGINT", () => void provider.shutdown());
