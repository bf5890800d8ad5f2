CREATE TABLE "mirror_data"."delivery_counts" (
	"outcome" text COLLATE "C" NOT NULL,
	"slot" integer NOT NULL,
	"n" bigint NOT NULL,
	CONSTRAINT "delivery_counts_outcome_slot_pk" PRIMARY KEY("outcome","slot")
);
--> statement-breakpoint
ALTER TABLE "mirror_data"."api_keys" ADD COLUMN "rate" integer;--> statement-breakpoint
ALTER TABLE "mirror_data"."api_keys" ADD COLUMN "in_flight" integer;--> statement-breakpoint
CREATE INDEX "organizations_deleted_at" ON "mirror_data"."organizations" USING btree ("deleted_at") WHERE "mirror_data"."organizations"."deleted_at" is not null;--> statement-breakpoint
CREATE FUNCTION "mirror_data"."count_deliveries"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	-- Of this connection alone, but for one in 1,024: nobody waits here for somebody else's commit.
	own constant integer := pg_backend_pid() % 1024;
BEGIN
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO "mirror_data"."delivery_counts" AS c (outcome, slot, n)
		SELECT outcome, own, -count(*) FROM old_rows GROUP BY outcome ORDER BY outcome
		ON CONFLICT (outcome, slot) DO UPDATE SET n = c.n + excluded.n;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO "mirror_data"."delivery_counts" AS c (outcome, slot, n)
		SELECT outcome, own, count(*) FROM new_rows GROUP BY outcome ORDER BY outcome
		ON CONFLICT (outcome, slot) DO UPDATE SET n = c.n + excluded.n;
	END IF;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "deliveries_inserted" AFTER INSERT ON "mirror_data"."deliveries"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "mirror_data"."count_deliveries"();--> statement-breakpoint
CREATE TRIGGER "deliveries_updated" AFTER UPDATE ON "mirror_data"."deliveries"
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "mirror_data"."count_deliveries"();--> statement-breakpoint
CREATE TRIGGER "deliveries_deleted" AFTER DELETE ON "mirror_data"."deliveries"
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "mirror_data"."count_deliveries"();--> statement-breakpoint
INSERT INTO "mirror_data"."delivery_counts" (outcome, slot, n)
SELECT outcome, 0, count(*) FROM "mirror_data"."deliveries" GROUP BY outcome;
