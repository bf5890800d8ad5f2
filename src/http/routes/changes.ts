import { type Context, Hono } from "hono";
import { accepts } from "hono/accepts";
import { demandScope } from "../../auth/scopes.js";
import { cursorOf, type FeedPlace, parseCursor } from "../../changes/cursor.js";
import { awaitChanges, listChanges } from "../../changes/list.js";
import {
  type ChangedKind,
  type FeedPage,
  type FeedPages,
  KINDS,
  kindsNamed,
  type PageRequest,
} from "../../changes/pages.js";
import type { FeedTail } from "../../changes/tail.js";
import { invalid } from "../../query/clerk-params.js";
import type { CurrentObjects } from "../../query/current-objects.js";
import { countOut } from "../admission.js";
import { askerOf } from "../asker.js";
import { changeEvents } from "../change-events.js";
import { changeTexts, partsOf, type Showing } from "../change-text.js";
import { createHeld, type Held } from "../held.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, JSON_TYPE, markLocal, respond } from "../respond.js";
import { respondStream } from "../respond-stream.js";

export interface ChangesDeps {
  pages: FeedPages;
  tail: FeedTail;
  objects: CurrentObjects;
  /** The moment up to which the mirror was proved complete; null: not yet. */
  asOfMs: () => number | null;
  held?: Held;
}

export const MOST_ROWS = 500;
export const DEFAULT_ROWS = 100;
export const MOST_WAIT_SECONDS = 30;
const JSON_LIST = "application/json";
const EVENT_STREAM = "text/event-stream";
const [OPEN, COMMA] = [Buffer.from('{"data":['), Buffer.from(",")];

/** Places that have a name. */
const NAMED = ["start", "recent", "now"] as const;
type After = FeedPlace | (typeof NAMED)[number];

interface ChangesRequest extends PageRequest {
  waitMs: number;
  showing: Showing;
}

/** The change feed: as pages, which may wait for what comes next, or live as server-sent events. */
export function changesRoutes(deps: ChangesDeps): Hono<HttpEnv> {
  const { pages, tail, objects, asOfMs, held = createHeld() } = deps;

  async function list(c: Context<HttpEnv>): Promise<Response> {
    const request = parseRequest(c, objects);
    const after = afterOf(c);
    const asker = askerOf(c);
    let page = await listChanges(pages, await placeOf(after), request, asker);
    if (page.rows.length === 0 && !page.hasMore && request.waitMs > 0) {
      const leave = held.enter(asker.key);
      countOut(c.env?.outgoing);
      page = await awaitChanges({ pages, tail }, page, request, request.waitMs, asker).finally(leave);
      // The key may have been revoked meanwhile.
      await c.get("verifyAgain")?.();
    }
    const { showing } = request;
    if (showing) return respondStream(c, () => pageText(page, showing), JSON_TYPE);
    const texts: Buffer[] = [];
    for await (const text of pageText(page, showing)) texts.push(text);
    return respond(c, Buffer.concat(texts));
  }

  async function* pageText({ rows, end, hasMore }: FeedPage, showing: Showing): AsyncGenerator<Buffer> {
    const parts = partsOf(rows, showing);
    let before = OPEN;
    for (const part of parts) {
      const texts = await changeTexts(part, showing);
      yield Buffer.concat(texts.flatMap((text, n) => [n === 0 ? before : COMMA, text]));
      before = COMMA;
    }
    const rest = JSON.stringify({ next_cursor: cursorOf(end), has_more: hasMore, as_of: asOfMs() });
    yield Buffer.from(`${parts.length === 0 ? OPEN : ""}],${rest.slice(1)}`);
  }

  async function stream(c: Context<HttpEnv>): Promise<Response> {
    const lastSeen = c.req.header("Last-Event-ID");
    const { kinds, showing } = parseRequest(c, objects);
    const from = lastSeen ? parseCursor(lastSeen, "Last-Event-ID") : await placeOf(afterOf(c));
    const asker = askerOf(c);
    return respondStream(
      c,
      async function* (signal) {
        const leave = held.enter(asker.key);
        try {
          countOut(c.env?.outgoing);
          yield* changeEvents({ pages, tail }, { after: from, kinds, showing, asker }, signal);
        } finally {
          leave();
        }
      },
      // The second keeps nginx from holding events back until its buffer is full.
      { "content-type": EVENT_STREAM, "x-accel-buffering": "no" },
    );
  }

  const placeOf = (after: After): Promise<FeedPlace | null> | FeedPlace | null => {
    switch (after) {
      case "start":
        return null;
      case "recent":
        return pages.recent();
      case "now":
        return pages.newest();
      default:
        return after;
    }
  };

  return new Hono<HttpEnv>().get("/mirror/changes", requireScope("changes:read"), (c) => {
    const supports = [JSON_LIST, EVENT_STREAM];
    markLocal(c.get("headers"), asOfMs());
    const type = accepts(c, { header: "Accept", supports, default: JSON_LIST });
    return type === EVENT_STREAM ? stream(c) : list(c);
  });
}

/** Throws `invalid_request`, naming the parameter. The first of several values counts; unknown parameters are ignored. */
function parseRequest(c: Context<HttpEnv>, objects: CurrentObjects): ChangesRequest {
  const limit = wholeNumber(c, "limit", { least: 1, most: MOST_ROWS }) ?? DEFAULT_ROWS;
  const waitSeconds = wholeNumber(c, "wait", { least: 0, most: MOST_WAIT_SECONDS }) ?? 0;
  return {
    kinds: kindsOf(c.req.query("types")),
    limit,
    waitMs: waitSeconds * 1000,
    showing: showingOf(c, objects),
  };
}

/** It isn't looked at where the reader says by the last event where it goes on. */
function afterOf(c: Context<HttpEnv>): After {
  const after = c.req.query("after") ?? "start";
  return NAMED.find((name) => name === after) ?? parseCursor(after, "after");
}

function kindsOf(types: string | undefined): ReadonlySet<ChangedKind> {
  const kinds = kindsNamed(types);
  if (kinds) return kinds;
  throw invalid("types", `types must be one or more of ${KINDS.join(", ")}, separated by commas.`);
}

/** Objects are what the scope for users is about, whichever of their kinds it is. */
function showingOf(c: Context<HttpEnv>, objects: CurrentObjects): Showing {
  const include = c.req.query("include");
  if (include === undefined) return null;
  if (include !== "object") throw invalid("include", "include must be object.");
  const { scopes } = c.get("principal");
  demandScope(scopes, "users:read");
  return { objects, view: { privateMetadata: scopes.has("private_metadata:read") } };
}

function wholeNumber(c: Context<HttpEnv>, name: string, { least, most }: { least: number; most: number }) {
  const text = c.req.query(name);
  if (text === undefined) return null;
  const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw invalid(name, `${name} must be a whole number from ${least} to ${most}.`);
}
