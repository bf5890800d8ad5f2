import type { Context } from "hono";
import type { HttpEnv } from "../../respond.js";
import type { ShownLetter } from "../../routes/dead-letters.js";
import { BASE } from "../assets/base.js";
import { groupLetters, type LetterGroup } from "../model/letter-groups.js";
import {
  Badge,
  count,
  Empty,
  Figure,
  Figures,
  Notice,
  OfNumbers,
  Panel,
  Table,
  Time,
} from "../parts/basics.js";
import { isDeeper, JsonView, MOST_LEVELS } from "../parts/json-view.js";
import { Csrf } from "../parts/layout.js";
import { userPath } from "../parts/links.js";
import { statusOf } from "../visit/api.js";
import { redirect } from "../visit/redirect.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page, Show } from "./page.js";

interface LetterWithContent extends ShownLetter {
  bytes: number;
  content: string | null;
  content_encoding: string | null;
  content_cut: boolean;
}

/** So many of a group are replayed or dropped at once: a page must answer. */
const AT_ONCE = 100;
/** So many of a group are listed. */
const MOST_LISTED = 25;
const API = "/mirror/dead-letters";
const pathOf = (id: string) => `dead-letters/letter/${encodeURIComponent(id)}`;
const lettersOf = (n: number) => (n === 1 ? "1 dead letter" : `${count(n)} dead letters`);
const apiPathOf = (id: string) => `${API}/${encodeURIComponent(id)}`;

/** Dead letters, grouped by cause: what is in them, trying them again, giving them up. */
export const deadLettersPage: Page = {
  ...{ path: "dead-letters", title: "Dead letters", letter: "d", scope: "admin" },
  mount(routes, show) {
    routes
      .get(`${BASE}/dead-letters`, (c) => groupsShown(c, show))
      .get(`${BASE}/dead-letters/group/:key/drop`, async (c) => {
        const visit = visitOf(c);
        const group = await groupOf(visit, c.req.param("key"));
        if (!group) return nothingThere(c, show);
        const what = lettersOf(Math.min(AT_ONCE, group.letters.length));
        const content = (
          <DropForm visit={visit} action={`dead-letters/group/${group.key}/drop`} what={what}>
            <pre>{group.error}</pre>
          </DropForm>
        );
        return show(c, { title: `Drop ${what}?`, content });
      })
      .post(`${BASE}/dead-letters/group/:key/:action{replay|drop}`, async (c) => {
        const visit = visitOf(c);
        const group = await groupOf(visit, c.req.param("key"));
        if (!group) return nothingThere(c, show);
        const isReplay = c.req.param("action") === "replay";
        let [done, left] = [0, 0];
        for (const { id } of group.letters.slice(0, AT_ONCE)) {
          const answer = isReplay
            ? await visit.api.send<{ status: string }>("POST", `${apiPathOf(id)}/replay`)
            : await visit.api.send<{ status: string }>("DELETE", apiPathOf(id));
          if (answer.isOk && answer.body.status !== "dead_lettered") done++;
          else left++;
        }
        left += Math.max(0, group.letters.length - AT_ONCE);
        return redirect(c, visit.link("dead-letters", { [isReplay ? "replayed" : "dropped"]: done, left }));
      })
      .get(`${BASE}/dead-letters/letter/:id`, async (c) => {
        const visit = visitOf(c);
        const letter = await visit.api.get<LetterWithContent>(apiPathOf(c.req.param("id")));
        if (!letter.isOk) return nothingThere(c, show, letter.problem);
        return show(c, { title: "Dead letter", content: <OneLetter visit={visit} letter={letter.body} /> });
      })
      .get(`${BASE}/dead-letters/letter/:id/drop`, (c) => {
        const visit = visitOf(c);
        const id = c.req.param("id");
        const content = (
          <DropForm visit={visit} action={`${pathOf(id)}/drop`} what="this dead letter">
            <pre>{id}</pre>
          </DropForm>
        );
        return show(c, { title: "Drop this dead letter?", content });
      })
      .post(`${BASE}/dead-letters/letter/:id/:action{replay|drop}`, async (c) => {
        const visit = visitOf(c);
        const id = c.req.param("id");
        const isReplay = c.req.param("action") === "replay";
        const answer = isReplay
          ? await visit.api.send<{ status: string }>("POST", `${apiPathOf(id)}/replay`)
          : await visit.api.send<{ status: string }>("DELETE", apiPathOf(id));
        if (!answer.isOk) return nothingThere(c, show, answer.problem);
        const isLeft = isReplay && answer.body.status === "dead_lettered";
        if (isLeft) return redirect(c, visit.link(pathOf(id), { failed: 1 }));
        return redirect(c, visit.link("dead-letters", { [isReplay ? "replayed" : "dropped"]: 1, left: 0 }));
      });
  },
};

async function groupOf(visit: Visit, key: string): Promise<LetterGroup | null> {
  const { isOk, body } = await visit.api.get<{ data: ShownLetter[] }>(API);
  return isOk ? (groupLetters(body.data).find((group) => group.key === key) ?? null) : null;
}

function nothingThere(c: Context<HttpEnv>, show: Show, problem: string | null = null) {
  const content = (
    <>
      <Notice tone="warn">{problem ?? "There are no such dead letters any more."}</Notice>
      <p>
        All <a href={visitOf(c).link("dead-letters")}>dead letters</a>
      </p>
    </>
  );
  return show(c, { title: "Dead letters", status: 404, content });
}

async function groupsShown(c: Context<HttpEnv>, show: Show) {
  const visit = visitOf(c);
  const found = await visit.api.get<{ data: ShownLetter[] }>(API);
  if (!found.isOk) {
    const content = <Notice tone="bad">{found.problem}</Notice>;
    return show(c, { title: "Dead letters", status: statusOf(found), content });
  }
  const groups = groupLetters(found.body.data);
  return show(c, {
    title: "Dead letters",
    content: (
      <>
        <Outcome query={visit.query} />
        {groups.length === 0 ? (
          <div class="panel">
            <Empty title="There are none">
              What arrives and can't be applied is kept here, with the reason, until it is replayed or
              dropped. See <a href={visit.link("runs")}>runs</a> for what was missed and repaired.
            </Empty>
          </div>
        ) : (
          <p class="quiet">
            Clerk is asked about the users that they name, so users are right all the same. While a letter is
            here, the mirror can't be proved complete: replay what has been mended, drop the rest.
          </p>
        )}
        {groups.map((group) => (
          <Group visit={visit} group={group} />
        ))}
        {found.body.data.length >= 500 && (
          <Notice tone="warn">
            These are the oldest 500. The others appear when some of these are gone.
          </Notice>
        )}
      </>
    ),
  });
}

function Outcome({ query }: { query: URLSearchParams }) {
  const number = (name: string) => {
    const text = query.get(name);
    return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
  };
  const [replayed, dropped, left] = [number("replayed"), number("dropped"), number("left") ?? 0];
  if (replayed === null && dropped === null) return null;
  const done =
    replayed === null
      ? `${count(dropped ?? 0)} dropped.`
      : `${count(replayed)} replayed: applied, or asked of Clerk, which takes a moment.`;
  return (
    <Notice tone={left > 0 ? "warn" : "good"}>
      {done} {left > 0 && `${count(left)} are left: they fail as before, or wait for the next turn.`}
    </Notice>
  );
}

function Group({ visit, group }: { visit: Visit; group: LetterGroup }) {
  const { key, error, letters, types, firstAt, lastAt } = group;
  const { nowMs } = visit;
  return (
    <Panel title={lettersOf(letters.length)}>
      <p class="mono">{error.slice(0, 600)}</p>
      <p class="quiet">
        {types.slice(0, 6).map((type) => (
          <>
            <Badge>{type}</Badge>{" "}
          </>
        ))}
        {letters.length > 1 && (
          <>
            first <Time at={firstAt} nowMs={nowMs} />, last{" "}
          </>
        )}
        <Time at={lastAt} nowMs={nowMs} />
      </p>
      <div class="row">
        <form method="post" action={visit.link(`dead-letters/group/${key}/replay`)}>
          <Csrf visit={visit} />
          <button type="submit" class="primary">
            Replay {letters.length === 1 ? "it" : `all ${count(Math.min(AT_ONCE, letters.length))}`}
          </button>
        </form>
        <a class="button danger" href={visit.link(`dead-letters/group/${key}/drop`)}>
          Drop {letters.length === 1 ? "it" : "them"} …
        </a>
      </div>
      <Table
        caption={`Dead letters: ${error.slice(0, 80)}`}
        head={["letter", "about", "received", <OfNumbers>tries</OfNumbers>]}
      >
        {letters.slice(0, MOST_LISTED).map(({ id, user_id, kind, received_at, attempts }) => (
          <tr>
            <td>
              <a class="mono" href={visit.link(pathOf(id))}>
                {id}
              </a>
            </td>
            <td>
              {user_id !== null && visit.scopes.has("users:read") ? (
                <a class="mono" href={visit.link(userPath(user_id))}>
                  {user_id}
                </a>
              ) : (
                (user_id ?? kind ?? "")
              )}
            </td>
            <td>
              <Time at={received_at} nowMs={nowMs} />
            </td>
            <td class="number">{attempts}</td>
          </tr>
        ))}
      </Table>
      {letters.length > MOST_LISTED && (
        <p class="quiet">and {count(letters.length - MOST_LISTED)} more of the same cause</p>
      )}
    </Panel>
  );
}

function OneLetter({ visit, letter }: { visit: Visit; letter: LetterWithContent }) {
  const { id, type, kind, user_id, error, attempts, received_at, tried_at, bytes } = letter;
  const { nowMs } = visit;
  return (
    <>
      {visit.query.get("failed") && (
        <Notice tone="warn">
          It was tried again, and fails as before. Drop it where nothing can be mended.
        </Notice>
      )}
      <Notice tone="bad">{error}</Notice>
      <Figures>
        <Figure name="Type">{type ?? `${kind ?? "object"}, answered by Clerk`}</Figure>
        <Figure name="Received">
          <Time at={received_at} nowMs={nowMs} />
        </Figure>
        <Figure name="Tried last">
          <Time at={tried_at} nowMs={nowMs} />
        </Figure>
        <Figure name="Tries">{count(attempts)}</Figure>
        <Figure name="Bytes">{count(bytes)}</Figure>
      </Figures>
      <p>
        <code>{id}</code>
        {user_id !== null && (
          <>
            {" "}
            about <a href={visit.link(userPath(user_id))}>{user_id}</a>
          </>
        )}
      </p>
      <div class="row">
        <form method="post" action={visit.link(`${pathOf(id)}/replay`)}>
          <Csrf visit={visit} />
          <button type="submit" class="primary">
            Replay
          </button>
        </form>
        <a class="button danger" href={visit.link(`${pathOf(id)}/drop`)}>
          Drop …
        </a>
        <a class="button" href={visit.link("dead-letters")}>
          All dead letters
        </a>
      </div>
      <Panel title="Payload">
        <Payload letter={letter} />
      </Panel>
    </>
  );
}

function Payload({ letter }: { letter: LetterWithContent }) {
  const { content, content_encoding, content_cut } = letter;
  if (content === null) {
    return (
      <Empty title="This key may not see it">
        It needs the scope <code>users:read</code>; what isn't JSON, <code>private_metadata:read</code> too.
      </Empty>
    );
  }
  const value = content_cut || content_encoding !== "utf8" ? undefined : parsed(content);
  return (
    <>
      {value === undefined ? <pre>{content}</pre> : <JsonView name="The payload" value={value} />}
      {content_cut && <p class="quiet">It is longer than this; the rest isn't shown.</p>}
    </>
  );
}

/** Undefined: it isn't JSON, or so deep that only its text can be shown. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeeper(value, MOST_LEVELS) ? undefined : value;
  } catch {
    return undefined;
  }
}

interface DropProps {
  visit: Visit;
  action: string;
  what: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever can be shown
  children?: any;
}

const DropForm = ({ visit, action, what, children }: DropProps) => (
  <form class="panel" method="post" action={visit.link(action)}>
    <Csrf visit={visit} />
    <p>What is in it is gone for good then. A webhook that Clerk sends again counts as dealt with.</p>
    {children}
    <div class="row">
      <button type="submit" class="danger">
        Drop {what}
      </button>
      <a class="button" href={visit.link("dead-letters")}>
        Keep
      </a>
    </div>
  </form>
);
