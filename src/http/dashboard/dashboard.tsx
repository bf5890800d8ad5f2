import { type Context, Hono, type MiddlewareHandler } from "hono";
import { compress } from "hono/compress";
import { getCookie } from "hono/cookie";
import type { Authenticate, Principal } from "../../auth/keys.js";
import { AppError } from "../../lib/errors.js";
import { admit } from "../admission.js";
import { presentError } from "../errors.js";
import { limitBody } from "../middleware.js";
import { type HttpEnv, respond } from "../respond.js";
import { assetRoutes } from "./assets/asset-routes.js";
import { assetPath } from "./assets/assets.js";
import { BASE, linkTo } from "./assets/base.js";
import type { Page, Show, Shown } from "./pages/page.js";
import { PAGES } from "./pages/pages.js";
import { SignIn } from "./pages/sign-in.js";
import { Unavailable } from "./pages/unavailable.js";
import { Notice } from "./parts/basics.js";
import { htmlOf } from "./parts/html.js";
import { Layout } from "./parts/layout.js";
import { NothingHere } from "./parts/nothing-here.js";
import { type AskApp, createApi } from "./visit/api.js";
import { SESSION_COOKIE, sessionCookie, THEME_COOKIE, themeCookie, themeOf } from "./visit/cookies.js";
import { formOf } from "./visit/form.js";
import { isPart, PAGE_HEADERS } from "./visit/headers.js";
import { endedEvents, isLivePart } from "./visit/live.js";
import { isOfAnotherSite } from "./visit/origin.js";
import { prefixOf } from "./visit/prefix.js";
import { redirect } from "./visit/redirect.js";
import { createSessions, SESSION_MS } from "./visit/session.js";
import { isSignedIn, setVisit, type Visit, visitOf } from "./visit/visit.js";

export interface DashboardDeps {
  /** Signs the sessions of all processes. */
  secretKey: string;
  authenticate: Authenticate;
  nowMs: () => number;
}

const HTML = { "content-type": "text/html; charset=UTF-8" } as const;
/** Forms bring metadata at most, of which Clerk takes 8 KB. */
const MAX_BODY_BYTES = 256 * 1024;
/** Of whoever isn't signed in, and of whom thousands may come at once: a key, and where to go on. */
const MAX_SIGN_IN_BYTES = 16 * 1024;

/**
 * The web page of the mirror. Who looks at it is known by a cookie, and everything that it shows or does is asked of the mirror's own
 * routes (`ask`) with the key in it.
 */
export function dashboardRoutes(
  { secretKey, authenticate, nowMs }: DashboardDeps,
  ask: AskApp,
  pages: readonly Page[] = PAGES,
): Hono<HttpEnv> {
  const sessions = createSessions(secretKey, nowMs);

  /** What is known of any request, signed in or not. */
  const outside = (c: Context<HttpEnv>) => {
    const prefix = prefixOf(c.req.header("X-Forwarded-Prefix"));
    return {
      theme: themeOf(getCookie(c, THEME_COOKIE)),
      link: (path: string, query = {}) => linkTo(prefix, path, query),
      asset: (name: Parameters<Visit["asset"]>[0]) => linkTo(prefix, assetPath(name)),
    };
  };

  async function principalOf(
    cookie: string | undefined,
  ): Promise<{ key: string; principal: Principal } | null> {
    const session = cookie === undefined ? null : sessions.open(cookie);
    if (!session) return null;
    try {
      return { key: session.key, principal: await authenticate(`Bearer ${session.key}`) };
    } catch (error) {
      // Revoked since.
      if (error instanceof AppError && error.code === "unauthenticated") return null;
      throw error;
    }
  }

  const headers: MiddlewareHandler<HttpEnv> = (c, next) => {
    Object.assign(c.get("headers"), PAGE_HEADERS);
    return next();
  };

  /** A form of another site could sign a person in as somebody else. */
  const refuseOtherSites: MiddlewareHandler<HttpEnv> = (c, next) => {
    if (c.req.method === "POST" && isOfAnotherSite((name) => c.req.header(name)))
      throw new AppError("forbidden", "This form was sent by another site.");
    return next();
  };

  /** Demands a session; everything mounted behind it knows its `visit`. */
  const visiting: MiddlewareHandler<HttpEnv> = async (c, next) => {
    const cookie = getCookie(c, SESSION_COOKIE);
    const known = await principalOf(cookie);
    if (!known || cookie === undefined) return askToSignIn(c);
    const { key, principal } = known;
    c.set("principal", principal);
    c.set("verifyAgain", () => authenticate(`Bearer ${key}`));
    const path = c.req.path.slice(BASE.length + 1);
    setVisit(c, {
      ...outside(c),
      api: createApi(ask, { key, requestId: c.get("requestId"), outgoing: c.env?.outgoing }),
      ...{ name: principal.name, scopes: principal.scopes, path, page: path.split("/")[0] ?? "" },
      isReadOnly: !(["users:write", "admin", "proxy"] as const).some((scope) => principal.scopes.has(scope)),
      isStillAllowed: async () => (await principalOf(cookie)) !== null,
      query: new URL(c.req.url).searchParams,
      csrf: sessions.token(cookie),
      nowMs: nowMs(),
    });
    // Behind the visit: a refusal is a page then.
    if (c.env?.outgoing) admit(principal, c.env.outgoing);
    return next();
  };

  /** Behind `visiting`: nothing of a body is held for whoever has no session. */
  const demandToken: MiddlewareHandler<HttpEnv> = async (c, next) => {
    if (c.req.method !== "POST") return next();
    const { csrf } = await formOf(c);
    if (typeof csrf === "string" && sessions.isToken(getCookie(c, SESSION_COOKIE) ?? "", csrf)) return next();
    throw new AppError("forbidden", "This form has expired. Go back, load the page again, and repeat it.");
  };

  async function askToSignIn(c: Context<HttpEnv>): Promise<Response> {
    const { link } = outside(c);
    if (c.req.method === "GET" && isLivePart(c)) return endedEvents(c);
    const isPage = c.req.method === "GET" && !isPart(c);
    const path = c.req.path.slice(BASE.length + 1);
    const next = isPage ? `${path}${new URL(c.req.url).search}` : "";
    if (isPage) return redirect(c, link("sign-in", { next }));
    return signInPage(c, { next, problem: "The session has ended. Sign in again.", status: 401 });
  }

  async function signInPage(
    c: Context<HttpEnv>,
    { next, problem, status }: { next: string; problem: string | null; status: 200 | 401 },
  ): Promise<Response> {
    return respond(
      c,
      await htmlOf(<SignIn visit={outside(c)} next={next} problem={problem} />),
      status,
      HTML,
    );
  }

  const isSecure = (c: Context<HttpEnv>) =>
    c.req.header("X-Forwarded-Proto")?.split(",")[0]?.trim() === "https";
  const cookiePath = (c: Context<HttpEnv>) => `${prefixOf(c.req.header("X-Forwarded-Prefix"))}${BASE}`;

  const entrance = new Hono<HttpEnv>()
    .get(`${BASE}/sign-in`, (c) =>
      signInPage(c, { next: nextOf(c.req.query("next")), problem: null, status: 200 }),
    )
    .post(`${BASE}/sign-in`, limitBody(MAX_SIGN_IN_BYTES), async (c) => {
      const form = await formOf(c);
      const [key, next] = [String(form.key ?? "").trim(), nextOf(form.next)];
      try {
        await authenticate(`Bearer ${key}`);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== "unauthenticated") throw error;
        return signInPage(c, { next, problem: "This key is unknown here, or was revoked.", status: 401 });
      }
      const cookie = sessionCookie(sessions.begin(key), {
        ...{ path: cookiePath(c), secure: isSecure(c), maxAgeSeconds: SESSION_MS / 1000 },
      });
      return redirect(c, outside(c).link(next), cookie);
    });

  const show: Show = async (c, { title, content, status = 200 }) => {
    const visit = visitOf(c);
    const links = pages.filter(({ scope }) => visit.scopes.has(scope));
    const page = (
      <Layout visit={visit} title={title} links={links}>
        {content}
      </Layout>
    );
    return respond(c, await htmlOf(page), status, HTML);
  };

  const inside = new Hono<HttpEnv>()
    .use(`${BASE}/*`, visiting, limitBody(MAX_BODY_BYTES), demandToken)
    .post(`${BASE}/sign-out`, (c) => {
      const cookie = sessionCookie("", { path: cookiePath(c), secure: isSecure(c), maxAgeSeconds: 0 });
      return redirect(c, visitOf(c).link("sign-in"), cookie);
    })
    .post(`${BASE}/theme`, async (c) => {
      const { theme, back } = await c.req.parseBody();
      const cookie = themeCookie(themeOf(String(theme)), cookiePath(c));
      return redirect(c, outside(c).link(nextOf(back)), cookie);
    });
  for (const page of pages) page.mount(inside, show);
  inside.get(`${BASE}/*`, (c) =>
    show(c, {
      title: "Not found",
      status: 404,
      content: <NothingHere visit={visitOf(c)} />,
    }),
  );

  return new Hono<HttpEnv>()
    .onError(answerProblem)
    .use(`${BASE}/*`, headers, refuseOtherSites, compress())
    .get(BASE, (c) => redirect(c, outside(c).link("")))
    .route("/", assetRoutes())
    .route("/", entrance)
    .route("/", inside);

  /** A refusal, as a page; whatever else fails is answered and logged as everywhere. */
  async function answerProblem(error: Error, c: Context<HttpEnv>): Promise<Response> {
    const isKnown = isSignedIn(c);
    const statuses = isKnown ? SHOWN_STATUS : UNTOLD_STATUS;
    const status = error instanceof AppError ? statuses[error.code] : undefined;
    if (!(error instanceof AppError) || status === undefined) throw error;
    const headers = c.get("headers");
    const { "retry-after": retryAfter } = presentError(error, c.get("requestId")).headers;
    if (retryAfter !== undefined) headers["retry-after"] = retryAfter;
    if (isPart(c)) Object.assign(headers, INTO_PROBLEM);
    const problem = error.longMessage ?? error.message;
    if (isKnown)
      return show(c, {
        title: "This can't be done",
        content: <Notice tone="bad">{problem}</Notice>,
        status,
      });
    const againSeconds = c.req.method === "GET" && !isPart(c) ? AGAIN_SECONDS : null;
    if (againSeconds !== null) headers.refresh = String(againSeconds);
    const page = <Unavailable visit={outside(c)} problem={problem} againSeconds={againSeconds} />;
    return respond(c, await htmlOf(page), status, HTML);
  }
}

type Statuses = Partial<Record<AppError["code"], NonNullable<Shown["status"]>>>;

const SHOWN_STATUS: Statuses = {
  invalid_payload: 400,
  forbidden: 403,
  not_found: 404,
  invalid_request: 422,
  rate_limited: 429,
};
/** While nobody can tell who asks. */
const UNTOLD_STATUS: Statuses = { database_unavailable: 503, overloaded: 503 };
const AGAIN_SECONDS = 3;

/** Of a part of a page: what went wrong is said above the rest, which stays. */
const INTO_PROBLEM = { "hx-retarget": "#problem", "hx-reselect": ".notice", "hx-reswap": "innerHTML" };

/** A page of the dashboard, never another site, and nothing that no header can hold: it becomes a `Location`. */
function nextOf(value: unknown): string {
  const isPage = typeof value === "string" && /^(?:[\w-]+(?:\/[\w~%-]+)*)?(?:\?[!-~]*)?$/.test(value);
  return isPage && !/[#\\]/.test(value) ? value : "";
}
