-- The migrator has made the schema already: its journal lives there.
CREATE SCHEMA IF NOT EXISTS "mirror_data";
--> statement-breakpoint
-- Where the extension stands already (some hosts keep it in a schema of its own) it stays there.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
--> statement-breakpoint
CREATE TABLE "mirror_data"."changes" (
	"position" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "mirror_data"."changes_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"type" text COLLATE "C" NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"version" bigint NOT NULL,
	"at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."counters" (
	"name" text COLLATE "C" PRIMARY KEY NOT NULL,
	"n" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."dead_letters" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"type" text COLLATE "C",
	"user_id" text COLLATE "C",
	"payload" text NOT NULL,
	"error" text NOT NULL,
	"attempts" integer DEFAULT 1 NOT NULL,
	"received_at" bigint NOT NULL,
	"tried_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."deliveries" (
	"message_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"type" text COLLATE "C",
	"user_id" text COLLATE "C",
	"received_at" bigint NOT NULL,
	"outcome" text COLLATE "C" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."organization_memberships" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"organization_id" text COLLATE "C",
	"user_id" text COLLATE "C",
	"updated_at" bigint DEFAULT 0 NOT NULL,
	"observed_at" bigint DEFAULT 0 NOT NULL,
	"source" smallint DEFAULT 0 NOT NULL,
	"deleted_at" bigint,
	"payload_hash" text COLLATE "C",
	"payload" text,
	"payload_safe" text,
	"private_metadata" text,
	"private_order" text COLLATE "C",
	"role" text COLLATE "C",
	"created_at" bigint,
	"public_metadata" jsonb
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."organizations" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"updated_at" bigint DEFAULT 0 NOT NULL,
	"observed_at" bigint DEFAULT 0 NOT NULL,
	"source" smallint DEFAULT 0 NOT NULL,
	"deleted_at" bigint,
	"payload_hash" text COLLATE "C",
	"payload" text,
	"payload_safe" text,
	"private_metadata" text,
	"private_order" text COLLATE "C",
	"name" text COLLATE "C",
	"slug" text COLLATE "C",
	"created_at" bigint,
	"public_metadata" jsonb
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."refetches" (
	"kind" text COLLATE "C" NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"reason" text COLLATE "C" NOT NULL,
	"since" bigint NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at" bigint NOT NULL,
	CONSTRAINT "refetches_kind_id_pk" PRIMARY KEY("kind","id")
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."runs" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"mode" text COLLATE "C" NOT NULL,
	"state" text COLLATE "C" NOT NULL,
	"queued_at" bigint NOT NULL,
	"started_at" bigint,
	"finished_at" bigint,
	"users_seen" integer DEFAULT 0 NOT NULL,
	"users_expected" integer,
	"missed_create" integer DEFAULT 0 NOT NULL,
	"missed_update" integer DEFAULT 0 NOT NULL,
	"missed_delete" integer DEFAULT 0 NOT NULL,
	"requests" integer DEFAULT 0 NOT NULL,
	"error" text
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."upstream" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"api_url" text NOT NULL,
	"environment" text NOT NULL,
	"instance_id" text,
	"backfilled_at" bigint,
	"as_of" bigint,
	CONSTRAINT "upstream_one_row" CHECK ("mirror_data"."upstream"."one")
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."user_activity" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"updated_at" bigint NOT NULL,
	"last_active_at" bigint,
	"last_sign_in_at" bigint
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."user_identifiers" (
	"user_id" text COLLATE "C" NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"value" text COLLATE "C" NOT NULL,
	"folded" text COLLATE "C" NOT NULL,
	"clerk_id" text COLLATE "C",
	"is_primary" boolean NOT NULL,
	"verification_status" text COLLATE "C",
	"created_at" bigint,
	"updated_at" bigint,
	"detail" jsonb,
	CONSTRAINT "user_identifiers_user_id_kind_value_pk" PRIMARY KEY("user_id","kind","value")
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."user_metadata" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"public_metadata" jsonb,
	"unsafe_metadata" jsonb,
	"private_metadata" jsonb
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."user_search" (
	"created_at" bigint NOT NULL,
	"banned" boolean NOT NULL,
	"password_enabled" boolean NOT NULL,
	"two_factor_enabled" boolean NOT NULL,
	"has_image" boolean NOT NULL,
	"search" text COLLATE "C" NOT NULL,
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"email_key" text COLLATE "C",
	"phone_key" text COLLATE "C",
	"username_key" text COLLATE "C",
	"wallet_key" text COLLATE "C",
	"first_name_key" text COLLATE "C",
	"last_name_key" text COLLATE "C",
	"name_search" text COLLATE "C" NOT NULL,
	"external_id" text COLLATE "C",
	"rare_grams" text[] COLLATE "C" NOT NULL,
	"username" text COLLATE "C",
	"first_name" text COLLATE "C",
	"last_name" text COLLATE "C",
	"email_address" text COLLATE "C",
	"phone_number" text COLLATE "C",
	"web3_wallet" text COLLATE "C",
	"image_url" text COLLATE "C"
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."users" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"updated_at" bigint DEFAULT 0 NOT NULL,
	"observed_at" bigint DEFAULT 0 NOT NULL,
	"source" smallint DEFAULT 0 NOT NULL,
	"deleted_at" bigint,
	"erased" boolean DEFAULT false NOT NULL,
	"contradicted_at" bigint,
	"payload_hash" text COLLATE "C",
	"payload" text,
	"payload_safe" text,
	"private_metadata" text,
	"private_at" integer,
	"private_order" text COLLATE "C",
	"scim_order" text COLLATE "C",
	"locked_until" bigint
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."windows" (
	"run_id" text COLLATE "C" NOT NULL,
	"what" text COLLATE "C" NOT NULL,
	"position" integer NOT NULL,
	"after_ms" bigint,
	"before_ms" bigint,
	"cursor_id" text COLLATE "C",
	"cursor_created_at" bigint,
	"page_offset" integer DEFAULT 0 NOT NULL,
	"done" boolean DEFAULT false NOT NULL,
	CONSTRAINT "windows_run_id_what_position_pk" PRIMARY KEY("run_id","what","position")
);
--> statement-breakpoint
CREATE INDEX "changes_at" ON "mirror_data"."changes" USING btree ("at");--> statement-breakpoint
CREATE INDEX "deliveries_received_at" ON "mirror_data"."deliveries" USING btree ("received_at");--> statement-breakpoint
CREATE INDEX "organization_memberships_user" ON "mirror_data"."organization_memberships" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "organization_memberships_organization" ON "mirror_data"."organization_memberships" USING btree ("organization_id","user_id");--> statement-breakpoint
CREATE INDEX "refetches_next_at" ON "mirror_data"."refetches" USING btree ("next_at");--> statement-breakpoint
CREATE INDEX "user_activity_updated_at" ON "mirror_data"."user_activity" USING btree ("updated_at","id");--> statement-breakpoint
CREATE INDEX "user_activity_last_active_at" ON "mirror_data"."user_activity" USING btree ("last_active_at","id");--> statement-breakpoint
CREATE INDEX "user_activity_last_sign_in_at" ON "mirror_data"."user_activity" USING btree ("last_sign_in_at","id");--> statement-breakpoint
CREATE INDEX "user_identifiers_folded" ON "mirror_data"."user_identifiers" USING btree ("kind","folded","user_id");--> statement-breakpoint
CREATE INDEX "user_metadata_public" ON "mirror_data"."user_metadata" USING gin ("public_metadata" jsonb_path_ops);--> statement-breakpoint
CREATE INDEX "user_metadata_unsafe" ON "mirror_data"."user_metadata" USING gin ("unsafe_metadata" jsonb_path_ops);--> statement-breakpoint
CREATE INDEX "user_metadata_private" ON "mirror_data"."user_metadata" USING gin ("private_metadata" jsonb_path_ops);--> statement-breakpoint
CREATE INDEX "user_search_created_at" ON "mirror_data"."user_search" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "user_search_email" ON "mirror_data"."user_search" USING btree ("email_key","id");--> statement-breakpoint
CREATE INDEX "user_search_phone" ON "mirror_data"."user_search" USING btree ("phone_key","id");--> statement-breakpoint
CREATE INDEX "user_search_username" ON "mirror_data"."user_search" USING btree ("username_key","id");--> statement-breakpoint
CREATE INDEX "user_search_wallet" ON "mirror_data"."user_search" USING btree ("wallet_key","id");--> statement-breakpoint
CREATE INDEX "user_search_first_name" ON "mirror_data"."user_search" USING btree ("first_name_key","id");--> statement-breakpoint
CREATE INDEX "user_search_last_name" ON "mirror_data"."user_search" USING btree ("last_name_key","id");--> statement-breakpoint
CREATE INDEX "user_search_external_id" ON "mirror_data"."user_search" USING btree ("external_id");--> statement-breakpoint
CREATE INDEX "user_search_banned" ON "mirror_data"."user_search" USING btree ("created_at","id") WHERE "mirror_data"."user_search"."banned";--> statement-breakpoint
CREATE INDEX "user_search_rare_grams" ON "mirror_data"."user_search" USING gin ("rare_grams");--> statement-breakpoint
CREATE INDEX "users_locked_until" ON "mirror_data"."users" USING btree ("locked_until") WHERE "mirror_data"."users"."locked_until" is not null;--> statement-breakpoint
CREATE INDEX "users_deleted_at" ON "mirror_data"."users" USING btree ("deleted_at") WHERE "mirror_data"."users"."deleted_at" is not null;
--> statement-breakpoint
-- Updates that touch no index stay on their page.
ALTER TABLE "mirror_data"."users" SET (fillfactor = 85);--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" SET (fillfactor = 80);--> statement-breakpoint
-- LIKE's selectivity is guessed from the histogram: with the default 100 entries a rare term looks common.
ALTER TABLE "mirror_data"."user_search" ALTER COLUMN "search" SET STATISTICS 1000;--> statement-breakpoint
-- lz4 reads faster than the default, but not every server is built with it.
DO $$ BEGIN
	ALTER TABLE "mirror_data"."users" ALTER COLUMN "payload" SET COMPRESSION lz4;
	ALTER TABLE "mirror_data"."organizations" ALTER COLUMN "payload" SET COMPRESSION lz4;
	ALTER TABLE "mirror_data"."organization_memberships" ALTER COLUMN "payload" SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;--> statement-breakpoint
INSERT INTO "mirror_data"."counters" ("name") VALUES ('users'), ('organizations'), ('memberships');
