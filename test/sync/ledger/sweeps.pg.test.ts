import { expect } from "vitest";
import { heardOfDay } from "../../../src/sync/ledger/sweeps.js";
import { test } from "../../support/database.js";

const DAY = 20_000;

test.for([
  ["yesterday's sweep has come", DAY, DAY],
  ["two days weren't swept", DAY - 2, DAY - 2],
  ["a clock that was ahead has swept days that are to come", DAY + 40, DAY - 30],
])("when %s, it goes on where days are missing", async ([, firstUnswept, sinceDay], { db }) => {
  await db.sql`
    insert into mirror_data.upstream (api_url, environment, activity_since, first_unswept)
    values ('https://api.clerk.com', 'test', 0, ${firstUnswept as number})`;
  expect((await heardOfDay(db.sql, DAY))?.sinceDay).toBe(sinceDay);
});
