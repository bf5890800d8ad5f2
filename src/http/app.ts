import { Hono } from "hono";
import type { Authenticate } from "../auth/keys.js";
import type { Availability } from "../db/connection/availability.js";
import type { Versions } from "../db/connection/commit-position.js";
import type { Logger } from "../observability/logger.js";
import { type AnswerByClerkParts, createAnswerByClerk } from "./clerk-answer.js";
import { answerErrors } from "./errors.js";
import {
  authenticated,
  classified,
  createRequestLog,
  logRequests,
  refuseLoops,
  requestId,
  whileDatabaseAnswers,
} from "./middleware.js";
import type { HttpEnv } from "./respond.js";
import { type AdminParts, adminRoutes } from "./routes/admin.js";
import { type DeadLetterParts, deadLetterRoutes } from "./routes/dead-letters.js";
import { writesRoutes } from "./routes/forward.js";
import { opsRoutes, type Readiness } from "./routes/ops.js";
import { type UsersParts, usersRoutes } from "./routes/users.js";
import { type WebhookParts, webhookRoutes } from "./routes/webhooks.js";

export interface AppParts {
  log: Logger;
  authenticate: Authenticate;
  readiness: () => Readiness;
  webhooks: WebhookParts;
  availability: Pick<Availability, "guard">;
  versions: Versions;
  admin: AdminParts;
  deadLetters: DeadLetterParts;
  users: Omit<UsersParts, "answerByClerk" | "availability" | "versions">;
  clerk: Omit<AnswerByClerkParts, "versions">;
}

/** Every route of the mirror. What stands above `authenticated` is open; everything else demands a key first. */
export function createApp(parts: AppParts): Hono<HttpEnv> {
  const { availability, versions } = parts;
  const answerByClerk = createAnswerByClerk({ ...parts.clerk, versions });
  return new Hono<HttpEnv>()
    .onError(answerErrors(parts.log))
    .use(requestId)
    .use(logRequests(createRequestLog(parts.log)))
    .route("/", opsRoutes(parts.readiness))
    .route("/", webhookRoutes(parts.webhooks))
    .use(refuseLoops)
    .use(authenticated(parts.authenticate))
    .use("/mirror/*", whileDatabaseAnswers(availability))
    .route("/", adminRoutes(parts.admin))
    .route("/", deadLetterRoutes(parts.deadLetters))
    .use(classified)
    .route("/", usersRoutes({ ...parts.users, availability, versions, answerByClerk }))
    .route("/", writesRoutes(answerByClerk));
}
