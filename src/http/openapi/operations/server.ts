import { z } from "zod";
import { BODY_BYTES } from "../../body-limits.js";
import type { Operation } from "../operation.js";
import { alive, ready, webhookAnswer } from "../upkeep.js";

const anything = z.record(z.string(), z.unknown());
const JSON_RPC = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string(),
  params: anything.optional(),
});

export const SERVER: readonly Operation[] = [
  {
    ...{ method: "get", path: "/healthz", id: "readHealth", tag: "Server" },
    summary: "Whether the process lives",
    access: "open",
    answer: { description: "It does.", schema: alive },
    errors: [431],
  },
  {
    ...{ method: "get", path: "/readyz", id: "readReadiness", tag: "Server" },
    summary: "Whether to send requests here",
    description: "503 before the first connection and migration, and while the process ends.",
    access: "open",
    answer: { description: "Requests can be sent here.", schema: ready },
    errors: [431],
  },
  {
    ...{ method: "post", path: "/webhooks/clerk", id: "receiveWebhook", tag: "Server" },
    summary: "Receive Clerk's webhooks",
    description:
      "Signed by Svix: the signature takes the place of a key. What an event says is readable when it is answered.",
    access: "open",
    parameters: [
      ...(["svix-id", "svix-timestamp", "svix-signature"] as const).map((name) => ({
        ...{ name, in: "header" as const, schema: z.string() },
        description: "As Svix sends it. The names may begin with webhook- instead.",
      })),
    ],
    body: {
      schema: anything,
      mostBytes: BODY_BYTES.webhook,
      examples: {
        "a deletion": {
          ...{ object: "event", type: "user.deleted", timestamp: 1_760_000_000_000 },
          data: { id: "user_29w83sxmDNGwOuEthce5gg56FcD", object: "user", deleted: true },
        },
      },
    },
    answer: { description: "It is committed, or of no use here.", schema: webhookAnswer },
    errors: [400, 405, 413],
  },
  {
    ...{ method: "post", path: "/mcp", id: "sendMcpMessage", tag: "Server" },
    summary: "Model Context Protocol",
    description: "One JSON-RPC message of the streamable HTTP transport, without sessions.",
    access: "users:read",
    body: {
      schema: JSON_RPC,
      mostBytes: BODY_BYTES.mcp,
      examples: { "list the tools": { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} } },
    },
    answer: { description: "The answer to the message.", type: "text/event-stream", schema: z.string() },
    also: { "application/json": anything },
    errors: [400, 413],
  },
  {
    ...{ method: "get", path: "/metrics", id: "readMetrics", tag: "Server" },
    summary: "Metrics",
    access: "any key",
    answer: { description: "In the format of Prometheus.", type: "text/plain", schema: z.string() },
  },
  {
    ...{ method: "get", path: "/openapi.json", id: "readOpenApi", tag: "Server" },
    summary: "The description of this API",
    access: "any key",
    answer: { description: "OpenAPI 3.1.", schema: anything },
  },
  {
    ...{ method: "get", path: "/docs", id: "readDocs", tag: "Server" },
    summary: "The description of this API as a page",
    access: "any key",
    answer: { description: "The page.", type: "text/html", schema: z.string() },
  },
  {
    ...{ method: "get", path: "/docs/{file}", id: "readDocsFile", tag: "Server" },
    summary: "A file of that page",
    access: "any key",
    parameters: [
      {
        ...{ name: "file", in: "path", schema: z.string() },
        description: "Its name.",
        examples: { styles: "swagger-ui.css" },
      },
    ],
    answer: { description: "The file.", type: "*/*", schema: z.string() },
    errors: [404],
  },
  {
    ...{ method: "get", path: "/dashboard", id: "readDashboard", tag: "Server" },
    summary: "The dashboard",
    description:
      "Pages for people, who sign in with a key. What they show and do is what its scopes allow here.",
    access: "open",
    answer: {
      description: "A page, or a redirection to the one for signing in.",
      type: "text/html",
      schema: z.string(),
    },
    errors: [431],
  },
];
