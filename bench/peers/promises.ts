import type { Section } from "../report/table.js";
import { GUIDE, MIRROR, STRIPES, SUPABASES } from "./contestants.js";

/** What each does with the events it takes, as its code has it. */
export const PROMISES: Section = {
  title: "What each promises",
  notes: [
    "As the code of these versions has it. All four answer once the database has committed. What is said of the engines is said of customers.",
  ],
  head: ["", MIRROR, GUIDE, SUPABASES, STRIPES],
  rows: [
    [
      "of two versions of one object stays",
      "the newer one, by Clerk's `updated_at` in milliseconds, in whatever order they arrive",
      "the one that arrives last",
      "that of the newer event, by `created` in seconds",
      "that of the newer event, by `created` in seconds",
    ],
    [
      "two events of one second",
      "both are applied",
      "both are applied",
      "the second is dropped and answered as if stored",
      "the second is dropped and answered as if stored; a warning is printed",
    ],
    [
      "an event that is delivered twice",
      "is known by its `svix-id` and applied once",
      "is written again, over whatever came between",
      "is dropped: no newer than what is stored",
      "is dropped: no newer than what is stored",
    ],
    [
      "an update that arrives after the deletion it was made before",
      "changes nothing: a tombstone stays",
      "brings the deleted user back",
      "is dropped; the row stays, with `deleted` set",
      "is dropped; the row stays, with `deleted` set",
    ],
    [
      "a deletion in the second of the last update",
      "is applied",
      "is applied",
      "is dropped: the customer stays",
      "is dropped: the customer stays",
    ],
    [
      "events that never arrive",
      "are found by a check, every 60 s unless set otherwise",
      "are missing for good",
      "are fetched when `syncBackfill` is called; deletions aren't found",
      "are fetched when a sync is started; deletions aren't found",
    ],
    [
      "who wants to know what changed",
      "hears `NOTIFY mirror_changes` after each commit",
      "nothing",
      "nothing",
      "nothing",
    ],
    [
      "what an event writes",
      "the whole user, times, every identifier, search index, delivery and feed, together in one commit with others that wait",
      "one row of 9 columns under 2 indexes",
      "one row of 24 columns under 1 index, with a trigger",
      "one row of the whole JSON and its columns again, under 2 indexes, with a trigger and a foreign key",
    ],
  ],
};
