-- A changed name was written to each index of "user_search". What names are found by stands in a table apart from now on, and no index
-- of "user_search" has anything of them. Filled before the next migration (`db/setup/fill-names.ts`).
CREATE TABLE "mirror_data"."user_names" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"first_name_key" text COLLATE "C",
	"last_name_key" text COLLATE "C",
	"name_search" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "mirror_data"."user_search" ADD COLUMN "identifier_search" text COLLATE "C" DEFAULT '' NOT NULL;--> statement-breakpoint
-- Room for one more version of a row on each page.
ALTER TABLE "mirror_data"."user_search" SET (fillfactor = 95);--> statement-breakpoint
-- A term that one in a hundred users has is taken for rare by a sample of a hundred.
ALTER TABLE "mirror_data"."user_search" ALTER COLUMN "name_search" SET STATISTICS 1000;--> statement-breakpoint
-- What has an index is asked for with each plan, which takes 0.25 ms with a thousand.
ALTER TABLE "mirror_data"."user_search" ALTER COLUMN "identifier_search" SET STATISTICS 400;--> statement-breakpoint
-- What stands before the id in what is searched; behind it stand the names.
CREATE FUNCTION "mirror_data"."identifiers_in"(search text, names text, id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT left(head, greatest(0, length(head) - length(id) - 1)) COLLATE "C"
	FROM (SELECT rtrim(left(search, length(search) - length(names)), E'\n') AS head) AS r
$$;--> statement-breakpoint
CREATE FUNCTION "mirror_data"."keep_new_names"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO mirror_data.user_names AS n (id, first_name_key, last_name_key, name_search, created_at)
	SELECT id, first_name_key, last_name_key, name_search, created_at FROM new_rows
	ON CONFLICT (id) DO UPDATE SET first_name_key = excluded.first_name_key, last_name_key = excluded.last_name_key,
		name_search = excluded.name_search, created_at = excluded.created_at;
	RETURN NULL;
END $$;--> statement-breakpoint
-- A plan that was made while the table was empty would read it from end to end later, so none may.
CREATE FUNCTION "mirror_data"."keep_changed_names"() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	UPDATE mirror_data.user_names n
	SET first_name_key = r.first_name_key, last_name_key = r.last_name_key, name_search = r.name_search, created_at = r.created_at
	FROM new_rows r WHERE n.id = r.id
		AND (n.first_name_key, n.last_name_key, n.name_search, n.created_at)
			IS DISTINCT FROM (r.first_name_key, r.last_name_key, r.name_search, r.created_at);
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "user_search_names_inserted" AFTER INSERT ON "mirror_data"."user_search"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "mirror_data"."keep_new_names"();--> statement-breakpoint
CREATE TRIGGER "user_search_names_updated" AFTER UPDATE ON "mirror_data"."user_search"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "mirror_data"."keep_changed_names"();--> statement-breakpoint
-- What processes of the version before know nothing of.
CREATE FUNCTION "mirror_data"."complete_identifiers"() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	-- This update comes here once more.
	IF EXISTS (SELECT FROM new_rows r
		WHERE r.identifier_search IS DISTINCT FROM mirror_data.identifiers_in(r.search, r.name_search, r.id)) THEN
		UPDATE mirror_data.user_search s SET identifier_search = mirror_data.identifiers_in(r.search, r.name_search, r.id)
		FROM new_rows r WHERE s.id = r.id;
	END IF;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "mirror_data"."forget_names"() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	DELETE FROM mirror_data.user_names n USING old_rows r WHERE n.id = r.id;
	DELETE FROM mirror_data.user_ids i USING old_rows r WHERE i.id = r.id;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "user_search_inserted_by_older_processes" AFTER INSERT ON "mirror_data"."user_search"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
WHEN (coalesce(nullif(current_setting('user_mirror.schema', true), ''), '0')::integer < 34)
EXECUTE FUNCTION "mirror_data"."complete_identifiers"();--> statement-breakpoint
CREATE TRIGGER "user_search_updated_by_older_processes" AFTER UPDATE ON "mirror_data"."user_search"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
WHEN (coalesce(nullif(current_setting('user_mirror.schema', true), ''), '0')::integer < 34)
EXECUTE FUNCTION "mirror_data"."complete_identifiers"();--> statement-breakpoint
CREATE TRIGGER "user_search_deleted_by_older_processes" AFTER DELETE ON "mirror_data"."user_search"
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
WHEN (coalesce(nullif(current_setting('user_mirror.schema', true), ''), '0')::integer < 34)
EXECUTE FUNCTION "mirror_data"."forget_names"();--> statement-breakpoint
-- Of users whose rows in "users" are locked.
CREATE FUNCTION "mirror_data"."complete_names"(ids text[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	UPDATE mirror_data.user_search s SET identifier_search = mirror_data.identifiers_in(s.search, s.name_search, s.id)
	WHERE s.id = ANY(ids)
		AND s.identifier_search IS DISTINCT FROM mirror_data.identifiers_in(s.search, s.name_search, s.id);
	INSERT INTO mirror_data.user_names (id, first_name_key, last_name_key, name_search, created_at)
	SELECT id, first_name_key, last_name_key, name_search, created_at FROM mirror_data.user_search WHERE id = ANY(ids)
	ON CONFLICT (id) DO NOTHING;
END $$;
