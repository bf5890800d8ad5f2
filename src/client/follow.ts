import { readChanges } from "./changes.js";
import { MirrorError } from "./errors.js";
import { isPassing, pauseMs, type Transport } from "./transport.js";
import type { FollowOptions, User } from "./types.js";
import { openExport, usersIn } from "./users.js";
import { wait } from "./waiting.js";

/** What was handled since the last save is handled again after a crash. */
const MOST_UNSAVED = 100;

/** Copies everybody once, then follows, until the signal aborts: it rejects with the signal's reason. */
export async function follow(transport: Transport, options: FollowOptions): Promise<never> {
  const { store, onCopy } = options;
  let known = await store.load();
  for (;;) {
    const cursor = known ?? (await copyPatiently(transport, options));
    // Saved when everybody is there: who is interrupted before copies anew.
    if (known === null) await store.save(cursor);
    known = null;
    try {
      await followFrom(cursor, transport, options);
    } catch (failure) {
      const isExpired = failure instanceof MirrorError && failure.code === "changes_expired";
      if (!isExpired || !onCopy) throw failure;
    }
  }
}

/** Returns the cursor that the feed is to be followed from. */
async function copyPatiently(transport: Transport, options: FollowOptions): Promise<string> {
  for (let failed = 0; ; failed++) {
    try {
      return await copy(transport, options);
    } catch (failure) {
      options.signal?.throwIfAborted();
      if (!isPassing(failure)) throw failure;
      await wait(pauseMs(failure, failed), options.signal);
    }
  }
}

async function copy(transport: Transport, { onUser, onCopy, signal }: FollowOptions): Promise<string> {
  await onCopy?.();
  const stream = await openExport(transport, { ...(signal && { signal }) });
  const cursor = stream.headers.get("x-mirror-changes-cursor");
  if (cursor === null)
    throw new MirrorError("The mirror's answer has no X-Mirror-Changes-Cursor.", {
      status: 200,
      code: "unknown_error",
    });
  for await (const user of usersIn(stream)) await onUser(user);
  return cursor;
}

async function followFrom(cursor: string, transport: Transport, options: FollowOptions): Promise<void> {
  const { store, onUser, onDeleted, signal } = options;
  let [handled, saved, unsaved] = [cursor, cursor, 0];
  const save = async () => {
    if (handled !== saved) await store.save(handled);
    [saved, unsaved] = [handled, 0];
  };
  const changes = readChanges(transport, {
    ...{ after: cursor, types: ["user"], include: "object" },
    ...(signal && { signal }),
    // It comes when everything before it has been handled.
    onBookmark: (at) => {
      handled = at;
      return save();
    },
  });
  try {
    for await (const change of changes) {
      if (change.object) await onUser(change.object as User);
      else await onDeleted(change.id);
      handled = change.cursor;
      if (++unsaved >= MOST_UNSAVED) await save();
    }
  } finally {
    await save();
  }
}
