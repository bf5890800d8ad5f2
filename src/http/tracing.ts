import type { Span, Tracer } from "@opentelemetry/api";
import type { MiddlewareHandler } from "hono";
import { packageVersion } from "../lib/package.js";
import { messageOf } from "../observability/loggable-error.js";
import type { Logger } from "../observability/logger.js";
import type { HttpEnv } from "./respond.js";
import { routeName } from "./route-name.js";

/** By which OpenTelemetry's API finds, in every copy of itself, what an SDK has registered. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** Whether an SDK was started before us that wants traces. */
const hasTracerProvider = () =>
  (globalThis as { [REGISTERED]?: { trace?: unknown } })[REGISTERED]?.trace !== undefined;

/**
 * A span for each request, where whoever starts the mirror has started OpenTelemetry's SDK before it. Undefined where nobody has:
 * then nothing is loaded, and no request costs more. `@hono/otel` is theirs to install, like the SDK.
 */
export async function loadTracing(log: Logger): Promise<MiddlewareHandler<HttpEnv> | undefined> {
  if (!hasTracerProvider()) return undefined;
  try {
    const [{ httpInstrumentationMiddleware }, { trace }] = await Promise.all([
      import("@hono/otel"),
      import("@opentelemetry/api"),
    ]);
    const instrumented = httpInstrumentationMiddleware({
      tracer: withoutPaths(trace.getTracer("user-mirror", packageVersion())),
      serviceName: "user-mirror",
      serviceVersion: packageVersion(),
      captureActiveRequests: false,
    });
    log.info("requests are traced");
    return (c, next) => {
      // A question of our own is a part of the request that it is asked for.
      if (c.env?.isInProcess) return next();
      return instrumented(c, async () => {
        const span = trace.getActiveSpan();
        await next();
        const route = routeName(c);
        span?.setAttributes({ "http.route": route, "user_mirror.request_id": c.get("requestId") });
        span?.updateName(`${c.req.method} ${route}`);
      });
    };
  } catch (err) {
    log.warn({ err }, "OpenTelemetry's SDK runs, but requests aren't traced: npm install @hono/otel");
    return undefined;
  }
}

/** URLs have addresses, names and ids in them, and the middleware would write them into each span. The route says enough. */
function withoutPaths(tracer: Tracer): Tracer {
  const startActiveSpan = (...[name, options, context, work]: Parameters<StartActiveSpan>) => {
    const { "url.full": _, "http.route": __, ...attributes } = options.attributes ?? {};
    return tracer.startActiveSpan(name, { ...options, attributes }, context, (span) =>
      work(withoutRoute(span)),
    );
  };
  return {
    startSpan: tracer.startSpan.bind(tracer),
    startActiveSpan: startActiveSpan as Tracer["startActiveSpan"],
  };
}

type StartActiveSpan = (
  name: string,
  options: Parameters<Tracer["startSpan"]>[1] & object,
  context: NonNullable<Parameters<Tracer["startSpan"]>[2]>,
  work: (span: Span) => unknown,
) => unknown;

/** The middleware takes the pattern of the last handler for the route, and names the span by it: both were set already. */
function withoutRoute(span: Span): Span {
  const kept: Span = Object.create(span);
  kept.setAttribute = (key, value) => {
    if (key !== "http.route") span.setAttribute(key, value);
    return kept;
  };
  // Errors may quote what they are about.
  kept.recordException = (error) =>
    span.recordException(
      error instanceof Error ? { name: error.name, message: messageOf(error) } : "unknown",
    );
  kept.updateName = () => kept;
  return kept;
}
