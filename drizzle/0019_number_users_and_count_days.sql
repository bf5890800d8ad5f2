-- A number for each user and a bit for each day, and what happened on each day. No row of users is written here: they are numbered
-- a few at a time before the next migration (`db/setup/number-users.ts`), while processes of the version before go on.
CREATE SEQUENCE "mirror_data"."user_numbers" INCREMENT BY 1 MINVALUE 0 MAXVALUE 2147483647 START WITH 0 CACHE 1;--> statement-breakpoint
CREATE TABLE "mirror_data"."active_days" (
	"day" date NOT NULL,
	"chunk" integer NOT NULL,
	"bits" bit(1024) NOT NULL,
	CONSTRAINT "active_days_day_chunk_pk" PRIMARY KEY("day","chunk")
) WITH (fillfactor = 90);
--> statement-breakpoint
CREATE TABLE "mirror_data"."daily_users" (
	"day" date PRIMARY KEY NOT NULL,
	"created" integer DEFAULT 0 NOT NULL,
	"deleted" integer DEFAULT 0 NOT NULL,
	"active" integer DEFAULT 0 NOT NULL,
	"active_complete" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
-- In the order in which every writer comes to them: in another, each would hold what the other waits for.
LOCK TABLE "mirror_data"."users", "mirror_data"."user_activity";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "number" integer;--> statement-breakpoint
-- For the rows to come alone: with the column itself, it would write all rows there are.
ALTER TABLE "mirror_data"."users" ALTER COLUMN "number" SET DEFAULT nextval('mirror_data.user_numbers');--> statement-breakpoint
ALTER SEQUENCE "mirror_data"."user_numbers" OWNED BY "mirror_data"."users"."number";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "created_day" integer;--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "deleted_day" integer;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ADD COLUMN "number" integer;--> statement-breakpoint
-- Users are gathered by 64 numbers. Without this the planner takes each of them for a group of its own, and lets no worker help.
ALTER TABLE "mirror_data"."user_activity" ALTER COLUMN "number" SET (n_distinct = -0.015625);--> statement-breakpoint
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "history_since" bigint DEFAULT (extract(epoch from clock_timestamp()) * 1000)::bigint NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "activity_since" bigint DEFAULT (extract(epoch from clock_timestamp()) * 1000)::bigint;--> statement-breakpoint
CREATE INDEX "active_days_chunk" ON "mirror_data"."active_days" USING btree ("chunk");--> statement-breakpoint
-- The three functions that write the history. Whoever calls one must hold the feed's lock (`changes/feed.ts`): chunks and days belong
-- to many users, so that two batches would wait for each other otherwise, and the bits are read before they are written. A plan that
-- was made while the table was empty would read it from end to end later, so none may; compiling plans would take longer than they do.
--
-- Sets the bits of these numbers, each on its day since 1970, and counts those that weren't set. What is set already is written nowhere.
CREATE FUNCTION "mirror_data"."mark_active_days"(numbers integer[], days integer[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off AS $$
BEGIN
	IF EXISTS (SELECT FROM mirror_data.upstream WHERE activity_since IS NULL) THEN
		RETURN;
	END IF;
	WITH told AS (
		SELECT date '1970-01-01' + d AS day, n / 1024 AS chunk, bit_or(set_bit(0::bit(1024), n % 1024, 1)) AS bits
		FROM unnest(numbers, days) AS r(n, d) GROUP BY 1, 2
	), fresh AS MATERIALIZED (
		SELECT day, chunk, bits & ~coalesce(
			(SELECT a.bits FROM mirror_data.active_days a WHERE a.day = told.day AND a.chunk = told.chunk), 0::bit(1024)) AS bits
		FROM told
	), marked AS (
		INSERT INTO mirror_data.active_days AS a (day, chunk, bits)
		SELECT day, chunk, bits FROM fresh WHERE bit_count(bits) > 0 ORDER BY day, chunk
		ON CONFLICT (day, chunk) DO UPDATE SET bits = a.bits | excluded.bits
	)
	INSERT INTO mirror_data.daily_users AS d (day, active)
	SELECT day, sum(bit_count(bits)) FROM fresh GROUP BY day HAVING sum(bit_count(bits)) > 0 ORDER BY day
	ON CONFLICT (day) DO UPDATE SET active = d.active + excluded.active;
END $$;--> statement-breakpoint
-- Takes all bits of these numbers. How many were active on a day stays as it was counted.
CREATE FUNCTION "mirror_data"."forget_active_days"(numbers integer[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
	UPDATE mirror_data.active_days a SET bits = a.bits & ~r.bits
	FROM (
		SELECT n / 1024 AS chunk, bit_or(set_bit(0::bit(1024), n % 1024, 1)) AS bits FROM unnest(numbers) AS n GROUP BY 1
	) AS r
	WHERE a.chunk = r.chunk AND bit_count(a.bits & r.bits) > 0;
END $$;--> statement-breakpoint
-- By how much the numbers of users who were created and deleted on these days since 1970 have changed.
CREATE FUNCTION "mirror_data"."move_daily_users"(days integer[], created integer[], deleted integer[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO mirror_data.daily_users AS d (day, created, deleted)
	SELECT date '1970-01-01' + r.day, r.created, r.deleted FROM unnest($1, $2, $3) AS r(day, created, deleted) ORDER BY 1
	ON CONFLICT (day) DO UPDATE SET created = d.created + excluded.created, deleted = d.deleted + excluded.deleted;
END $$;--> statement-breakpoint
-- Under which days these users are to be counted, as `userRow` and `countedTombstone` of sync/apply/rows.ts say it.
CREATE FUNCTION "mirror_data"."days_to_count"(ids text[])
RETURNS TABLE (id text, is_live boolean, created_at bigint, created_day integer, deleted_day integer) LANGUAGE sql STABLE AS $$
	SELECT u.id, s.id IS NOT NULL, s.created_at,
		CASE WHEN s.id IS NULL THEN u.created_day ELSE greatest(0, s.created_at / 86400000)::integer END,
		CASE WHEN s.id IS NULL AND u.created_day IS NOT NULL THEN greatest(0, u.deleted_at / 86400000)::integer END
	FROM mirror_data.users u LEFT JOIN mirror_data.user_search s USING (id)
	WHERE u.id = ANY(ids)
$$;--> statement-breakpoint
-- Brings the history in line with these users: for rows that were there before it, and for those that processes of the version before
-- still write. Writes nothing where it is. Their rows must be locked. Once no such process can run, a later migration drops it.
CREATE FUNCTION "mirror_data"."complete_history"(ids text[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
	gone integer[];
	moved_days integer[];
	moved_created integer[];
	moved_deleted integer[];
	active_numbers integer[];
	active_on integer[];
BEGIN
	PERFORM pg_advisory_xact_lock(7310214402);

	SELECT array_agg(u.number) INTO gone
	FROM mirror_data.users u WHERE u.id = ANY(ids) AND u.payload_hash IS NULL AND u.number IS NOT NULL;
	IF gone IS NOT NULL THEN
		PERFORM mirror_data.forget_active_days(gone);
	END IF;

	SELECT array_agg(day), array_agg(created), array_agg(deleted) INTO moved_days, moved_created, moved_deleted
	FROM (
		SELECT m.day, sum(m.created)::integer AS created, sum(m.deleted)::integer AS deleted
		FROM mirror_data.days_to_count(ids) AS n JOIN mirror_data.users u ON u.id = n.id,
			LATERAL (VALUES (n.created_day, 1, 0), (u.created_day, -1, 0), (n.deleted_day, 0, 1), (u.deleted_day, 0, -1))
				AS m(day, created, deleted)
		WHERE m.day IS NOT NULL GROUP BY m.day HAVING sum(m.created) <> 0 OR sum(m.deleted) <> 0
	) AS moves;
	IF moved_days IS NOT NULL THEN
		PERFORM mirror_data.move_daily_users(moved_days, moved_created, moved_deleted);
	END IF;

	WITH n AS MATERIALIZED (
		SELECT * FROM mirror_data.days_to_count(ids)
	), numbered AS MATERIALIZED (
		SELECT id, nextval('mirror_data.user_numbers')::integer AS number
		FROM (SELECT n.id FROM n JOIN mirror_data.users u ON u.id = n.id WHERE n.is_live AND u.number IS NULL
			ORDER BY n.created_at, n.id) AS unnumbered
	), counted AS (
		SELECT n.id, n.created_day, n.deleted_day, CASE WHEN n.is_live THEN coalesce(u.number, numbered.number) END AS number
		FROM n JOIN mirror_data.users u ON u.id = n.id LEFT JOIN numbered ON numbered.id = n.id
	)
	UPDATE mirror_data.users u SET number = counted.number, created_day = counted.created_day, deleted_day = counted.deleted_day
	FROM counted WHERE u.id = counted.id
		AND (u.number, u.created_day, u.deleted_day) IS DISTINCT FROM (counted.number, counted.created_day, counted.deleted_day);

	UPDATE mirror_data.user_activity a SET number = u.number
	FROM mirror_data.users u WHERE u.id = ANY(ids) AND a.id = u.id AND a.number IS DISTINCT FROM u.number;

	SELECT array_agg(u.number), array_agg((m.at / 86400000)::integer) INTO active_numbers, active_on
	FROM mirror_data.users u, LATERAL (VALUES (u.last_active_at), (u.last_sign_in_at)) AS m(at)
	WHERE u.id = ANY(ids) AND u.number IS NOT NULL AND m.at >= 0;
	IF active_numbers IS NOT NULL THEN
		PERFORM mirror_data.mark_active_days(active_numbers, active_on);
	END IF;
END $$;--> statement-breakpoint
CREATE FUNCTION "mirror_data"."complete_history_of_user"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mirror_data.complete_history(ARRAY[NEW.id]);
	RETURN NULL;
END $$;--> statement-breakpoint
-- Before the commit of a process that doesn't know the history: it holds the feed's lock then.
CREATE CONSTRAINT TRIGGER "history_written_by_older_processes"
AFTER INSERT OR UPDATE OF "payload_hash", "deleted_at", "last_active_at", "last_sign_in_at" ON "mirror_data"."users"
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (coalesce(nullif(current_setting('user_mirror.schema', true), ''), '0')::integer < 19)
EXECUTE FUNCTION "mirror_data"."complete_history_of_user"();
