import { type Context, Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { letterContent } from "../../lib/letter-content.js";
import type { ListedDeadLetter, StoredDeadLetter } from "../../sync/ledger/dead-letters.js";
import type { Replay } from "../../sync/webhooks/replay.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, JSON_TYPE, respondJson } from "../respond.js";
import { respondStream } from "../respond-stream.js";

export interface DeadLetterDeps {
  /** The oldest first. */
  list(limit: number): Promise<ListedDeadLetter[]>;
  find(id: string): Promise<StoredDeadLetter | null>;
  replay: Replay;
  /** False if there was none. */
  drop(id: string): Promise<boolean>;
}

const MOST_LISTED = 500;
const PER_CHUNK = 50;
/** Of the content, in characters. A webhook may have a mebibyte. */
const MOST_SHOWN = 256 * 1024;
const NOTHING = { text: null, encoding: null };
/** What could be an id at all: no text that Postgres can't hold. */
const LETTER_ID = /^[!-~]{1,300}$/;

/**
 * Routes to look at what could not be applied, try it again, or give it up. The list doesn't say what is in them. One by itself does to
 * those who may read users, and what is private in it to those who may read that.
 */
export function deadLetterRoutes({ list, find, replay, drop }: DeadLetterDeps): Hono<HttpEnv> {
  const admin = requireScope("admin");
  return new Hono<HttpEnv>()
    .get("/mirror/dead-letters", admin, (c) =>
      // Five hundred of them with long errors are a mebibyte, which nobody else should wait for.
      respondStream(c, () => listText(list), JSON_TYPE),
    )
    .get("/mirror/dead-letters/:id", admin, async (c) => {
      const id = idOf(c);
      const letter = await find(id);
      if (!letter) throw noLetter(id);
      const { scopes } = c.get("principal");
      const content = scopes.has("users:read")
        ? letterContent(letter.payload, { showPrivate: scopes.has("private_metadata:read") })
        : NOTHING;
      return respondJson(c, {
        ...presentLetter(letter),
        bytes: letter.payload.byteLength,
        content: content.text?.slice(0, MOST_SHOWN) ?? null,
        content_encoding: content.encoding,
        content_cut: (content.text?.length ?? 0) > MOST_SHOWN,
      });
    })
    .post("/mirror/dead-letters/:id/replay", admin, async (c) => {
      const id = idOf(c);
      const status = await replay(id);
      if (status === null) throw noLetter(id);
      return respondJson(c, { id, status });
    })
    .delete("/mirror/dead-letters/:id", admin, async (c) => {
      const id = idOf(c);
      if (!(await drop(id))) throw noLetter(id);
      return respondJson(c, { id, deleted: true });
    });
}

async function* listText(list: DeadLetterDeps["list"]): AsyncGenerator<Uint8Array> {
  const letters = await list(MOST_LISTED);
  yield Buffer.from('{"data":[');
  for (let from = 0; from < letters.length; from += PER_CHUNK) {
    const texts = letters
      .slice(from, from + PER_CHUNK)
      .map((letter) => JSON.stringify(presentLetter(letter)));
    yield Buffer.from(`${from === 0 ? "" : ","}${texts.join(",")}`);
  }
  yield Buffer.from("]}");
}

function idOf(c: Context<HttpEnv>): string {
  const id = c.req.param("id") ?? "";
  if (LETTER_ID.test(id)) return id;
  throw noLetter(id);
}

const noLetter = (id: string) =>
  new AppError("not_found", "not found", { longMessage: `No dead letter was found with id ${id}` });

/** A dead letter as it is listed. */
export type ShownLetter = ReturnType<typeof presentLetter>;

function presentLetter(letter: ListedDeadLetter) {
  const { id, kind, type, userId, error, attempts, receivedAtMs, triedAtMs } = letter;
  return { id, kind, type, user_id: userId, error, attempts, received_at: receivedAtMs, tried_at: triedAtMs };
}
