import { createMcpHandler, McpServer, type StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import type { z } from "zod";
import { packageVersion } from "../../lib/package.js";
import { type AskRoute, type RouteAnswer, TOOLS, type Tool } from "./tools.js";

/** Answers one message of a client. Nothing is remembered between two of them. */
export type ServeMcp = (request: Request, message: unknown, route: AskRoute) => Promise<Response>;

const INSTRUCTIONS =
  "A read-only copy of the users of a Clerk instance. Times are milliseconds since 1970; filters also take ISO 8601 and now-30d. Filters may name: id, external_id, username, first_name, last_name, name, email_address, email_domain, phone_number, organization_id, organization_role, banned, locked, created_at, updated_at, last_active_at, last_sign_in_at, public_metadata.<path>, and any (contains, prefix, suffix). Operators: eq, ne, in, nin, lt, lte, gt, gte, contains, prefix, suffix, exists; and, or, not combine.";

/** The protocol's side of `/mcp`, by the protocol's own library. */
export function createServeMcp(onerror: (error: Error) => void): ServeMcp {
  const routes = new WeakMap<Request, AskRoute>();
  const handler = createMcpHandler(({ requestInfo }) => serverAsking(routes.get(requestInfo as Request)), {
    // The tools never change, so there is nothing to subscribe to.
    ...{ onerror, maxSubscriptions: 0, keepAliveMs: 0 },
  });
  return (request, message, route) => {
    routes.set(request, route);
    return handler.fetch(request, { parsedBody: message });
  };
}

function serverAsking(route: AskRoute | undefined): McpServer {
  if (!route) throw new TypeError("A message arrived without its request.");
  const info = { name: "user-mirror", title: "User Mirror", version: packageVersion() };
  const server = new McpServer(info, { instructions: INSTRUCTIONS });
  for (const tool of TOOLS) {
    const { name, title, description } = tool;
    const annotations = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };
    server.registerTool(name, { title, description, inputSchema: brief(tool.input), annotations }, (args) =>
      resultOf(tool, args, route),
    );
  }
  return server;
}

async function resultOf(tool: Tool, args: unknown, route: AskRoute) {
  const { status, text } = await answerOf(tool, args, route);
  const content = [{ type: "text" as const, text: status === 200 ? text : problemOf(text, status) }];
  return status === 200 ? { content } : { content, isError: true };
}

async function answerOf(tool: Tool, args: unknown, route: AskRoute): Promise<RouteAnswer> {
  try {
    return await tool.ask(args, route);
  } catch (error) {
    // A body of arrays in arrays can be read, but not written again.
    if (error instanceof RangeError) return { status: 422, text: "The arguments are nested too deep." };
    throw error;
  }
}

/** What the route's error says, for a model to correct itself by. */
function problemOf(text: string, status: number): string {
  try {
    const [error] = (JSON.parse(text) as { errors: { message: string; long_message?: string }[] }).errors;
    return error?.long_message ?? error?.message ?? `The answer was ${status}.`;
  } catch {
    return text;
  }
}

const MOST_PROBLEMS = 3;
const MOST_CHARS = 300;

/** The same schema, whose refusals stay short however much is wrong with the arguments. */
function brief(schema: z.ZodType): StandardSchemaWithJSON {
  const { jsonSchema } = (schema as unknown as StandardSchemaWithJSON)["~standard"];
  return {
    "~standard": {
      ...{ version: 1, vendor: "zod", jsonSchema },
      validate(value) {
        const parsed = schema.safeParse(value);
        if (parsed.success) return { value: parsed.data };
        const issues = parsed.error.issues.slice(0, MOST_PROBLEMS);
        return {
          issues: issues.map(({ message, path }) => ({ message: message.slice(0, MOST_CHARS), path })),
        };
      },
    },
  };
}
