CREATE TABLE "mirror_data"."user_ids" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE FUNCTION "mirror_data"."keep_ids"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO "mirror_data"."user_ids" SELECT id FROM new_rows ON CONFLICT (id) DO NOTHING;
	RETURN NULL;
END $$;--> statement-breakpoint
-- Whoever writes users, processes of the version before too.
CREATE TRIGGER "user_search_inserted" AFTER INSERT ON "mirror_data"."user_search"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "mirror_data"."keep_ids"();
