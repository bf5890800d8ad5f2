import { Hono, type MiddlewareHandler } from "hono";
import type { Authenticate } from "../auth/keys.js";
import type { Availability } from "../db/connection/availability.js";
import type { CommitPositions } from "../db/connection/commit-position.js";
import type { ErrorCode } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";
import type { Scrape } from "../observability/scrape.js";
import type { ReadUserHistory } from "../operations/user-history.js";
import { auditChanges } from "./audit.js";
import { type AnswerByClerkDeps, createAnswerByClerk } from "./clerk-answer.js";
import { type DashboardDeps, dashboardRoutes } from "./dashboard/dashboard.js";
import type { AskApp } from "./dashboard/visit/api.js";
import { answerErrors, createFailureReport } from "./errors.js";
import {
  authenticated,
  type Backfill,
  classified,
  onceBackfilled,
  refuseLoops,
  requestId,
  whileDatabaseAnswers,
} from "./middleware.js";
import { type OpenAccess, openOr } from "./open-access.js";
import { observeRequests, type RequestObserver } from "./request-observer.js";
import type { HttpEnv } from "./respond.js";
import { type AdminDeps, adminRoutes } from "./routes/admin.js";
import { type AggregateDeps, aggregateRoutes } from "./routes/aggregate.js";
import { apiDocsRoutes } from "./routes/api-docs.js";
import { type ChangesDeps, changesRoutes } from "./routes/changes.js";
import { type DailyUsersDeps, dailyUsersRoutes } from "./routes/daily-users.js";
import { type DeadLetterDeps, deadLetterRoutes } from "./routes/dead-letters.js";
import { forwardRoutes } from "./routes/forward.js";
import { type KeyDeps, keyRoutes } from "./routes/keys.js";
import { type LookupDeps, lookupRoutes } from "./routes/lookup.js";
import { mcpRoutes } from "./routes/mcp.js";
import { metricsRoutes } from "./routes/metrics.js";
import { opsRoutes, type Readiness } from "./routes/ops.js";
import { type OrganizationsDeps, organizationsRoutes } from "./routes/organizations.js";
import { userHistoryRoutes } from "./routes/user-history.js";
import { type UserQueriesDeps, userQueriesRoutes } from "./routes/user-queries.js";
import { type UsersDeps, usersRoutes } from "./routes/users.js";
import { webhookRoutes } from "./routes/webhooks.js";
import type { WebhookReceiver } from "./webhook-receiver.js";

export interface AppDeps {
  log: Logger;
  observe: RequestObserver;
  /** Makes a span of each request. Absent where nobody wants traces. */
  trace: MiddlewareHandler<HttpEnv> | undefined;
  countFailure: (code: ErrorCode | "bug") => void;
  scrape: Scrape;
  openAccess: OpenAccess;
  authenticate: Authenticate;
  readiness: () => Readiness;
  webhooks: WebhookReceiver;
  availability: Pick<Availability, "guard">;
  positions: CommitPositions;
  admin: AdminDeps;
  deadLetters: DeadLetterDeps;
  keys: KeyDeps;
  changes: ChangesDeps;
  backfill: Backfill;
  dailyUsers: DailyUsersDeps;
  userQueries: UserQueriesDeps;
  lookup: LookupDeps;
  aggregate: AggregateDeps;
  organizations: OrganizationsDeps;
  readUserHistory: ReadUserHistory;
  users: Omit<UsersDeps, "answerByClerk" | "availability" | "positions">;
  clerk: Omit<AnswerByClerkDeps, "positions">;
  dashboard: Omit<DashboardDeps, "authenticate">;
}

/** Every route of the mirror. Routes mounted before `authenticated` are open. All others demand a key first. */
export function createApp(deps: AppDeps): Hono<HttpEnv> {
  const { availability, positions } = deps;
  const answerByClerk = createAnswerByClerk({ ...deps.clerk, positions });
  const report = createFailureReport(deps.log, deps.countFailure);
  const askApp: AskApp = (request, env) => app.fetch(request, env);
  const withKey = authenticated(deps.authenticate);
  /** For what tells nothing about users: see `OPEN_ROUTES`. */
  const openOrWithKey = openOr(withKey, deps.openAccess);
  const app: Hono<HttpEnv> = new Hono<HttpEnv>().onError(answerErrors(report)).use(requestId);
  if (deps.trace) app.use(deps.trace);
  app
    .use(observeRequests(deps.observe, report))
    .route("/", opsRoutes(deps.readiness))
    .route("/", webhookRoutes(deps.webhooks))
    .use(refuseLoops)
    .route("/", dashboardRoutes({ ...deps.dashboard, authenticate: deps.authenticate }, askApp))
    .route("/", metricsRoutes(deps.scrape, openOrWithKey))
    .route("/", apiDocsRoutes(openOrWithKey))
    .use(withKey)
    .use(auditChanges(deps.log))
    .route("/", mcpRoutes({ log: deps.log, askApp }))
    .use("/mirror/*", whileDatabaseAnswers(availability))
    .route("/", adminRoutes(deps.admin))
    .route("/", keyRoutes(deps.keys))
    .route("/", deadLetterRoutes(deps.deadLetters))
    .route("/", changesRoutes(deps.changes))
    .use("/mirror/users/*", onceBackfilled(deps.backfill))
    .route("/", dailyUsersRoutes(deps.dailyUsers))
    .route("/", userQueriesRoutes(deps.userQueries))
    .route("/", lookupRoutes(deps.lookup))
    .route("/", aggregateRoutes(deps.aggregate))
    .route("/", userHistoryRoutes(deps.readUserHistory))
    .use("/mirror/organizations/*", onceBackfilled(deps.backfill))
    .route("/", organizationsRoutes(deps.organizations))
    .use(classified)
    .route("/", usersRoutes({ ...deps.users, availability, positions, answerByClerk }))
    .route("/", forwardRoutes(answerByClerk));
  return app;
}
