-- What a visit changes leaves the payload, and the payload moves behind it in the row: Postgres logs an update from the first
-- byte that differs to the last. The table is written anew once; whoever reads or writes it waits for that, half a minute at a
-- million users. A process of the version before can neither read nor write users from now on, since its column `private_at`
-- has gone: it would take the places of the times for times.
ALTER TABLE "mirror_data"."users" RENAME COLUMN "private_at" TO "private_place";--> statement-breakpoint
-- The two times of activity are the last columns so far: the other two come to stand beside them.
ALTER TABLE "mirror_data"."users"
	ADD COLUMN "updated_at_moved" bigint DEFAULT 0 NOT NULL,
	ADD COLUMN "observed_at_moved" bigint DEFAULT 0 NOT NULL,
	ADD COLUMN "time_places" text COLLATE "C",
	ADD COLUMN "key_order" integer,
	ADD COLUMN "payload_moved" text,
	ADD COLUMN "payload_safe_moved" text,
	ADD COLUMN "private_metadata_moved" text;
--> statement-breakpoint
DO $$ BEGIN
	ALTER TABLE "mirror_data"."users" ALTER COLUMN "payload_moved" SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;--> statement-breakpoint
-- No view may read a column whose values move.
CREATE OR REPLACE VIEW "mirror"."users" AS
SELECT s.id, s.external_id, m.username, m.first_name, m.last_name,
	m.email_address, m.phone_number, m.web3_wallet, m.image_url, s.has_image, s.banned,
	(u.locked_until IS NOT NULL AND u.locked_until > extract(epoch FROM now()) * 1000) AS locked,
	s.password_enabled, s.two_factor_enabled,
	to_timestamp(s.created_at / 1000.0) AS created_at,
	to_timestamp(a.updated_at / 1000.0) AS updated_at,
	to_timestamp(a.last_active_at / 1000.0) AS last_active_at,
	to_timestamp(a.last_sign_in_at / 1000.0) AS last_sign_in_at,
	m.public_metadata, m.unsafe_metadata,
	NULL::jsonb AS data
FROM mirror_data.user_search s
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_activity a USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
--> statement-breakpoint
-- The values that move leave nothing behind: a dropped column keeps what it had.
ALTER TABLE "mirror_data"."users"
	ALTER COLUMN "updated_at_moved" TYPE bigint USING updated_at,
	ALTER COLUMN "observed_at_moved" TYPE bigint USING observed_at,
	ALTER COLUMN "payload_moved" TYPE text USING payload,
	ALTER COLUMN "payload_safe_moved" TYPE text USING payload_safe,
	ALTER COLUMN "private_metadata_moved" TYPE text USING private_metadata,
	ALTER COLUMN "payload" TYPE text USING NULL,
	ALTER COLUMN "payload_safe" TYPE text USING NULL,
	ALTER COLUMN "private_metadata" TYPE text USING NULL;
--> statement-breakpoint
ALTER TABLE "mirror_data"."users"
	DROP COLUMN "updated_at", DROP COLUMN "observed_at",
	DROP COLUMN "payload", DROP COLUMN "payload_safe", DROP COLUMN "private_metadata";
--> statement-breakpoint
ALTER TABLE "mirror_data"."users" RENAME COLUMN "updated_at_moved" TO "updated_at";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" RENAME COLUMN "observed_at_moved" TO "observed_at";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" RENAME COLUMN "payload_moved" TO "payload";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" RENAME COLUMN "payload_safe_moved" TO "payload_safe";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" RENAME COLUMN "private_metadata_moved" TO "private_metadata";--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."users" AS
SELECT s.id, s.external_id, m.username, m.first_name, m.last_name,
	m.email_address, m.phone_number, m.web3_wallet, m.image_url, s.has_image, s.banned,
	(u.locked_until IS NOT NULL AND u.locked_until > extract(epoch FROM now()) * 1000) AS locked,
	s.password_enabled, s.two_factor_enabled,
	to_timestamp(s.created_at / 1000.0) AS created_at,
	to_timestamp(a.updated_at / 1000.0) AS updated_at,
	to_timestamp(a.last_active_at / 1000.0) AS last_active_at,
	to_timestamp(a.last_sign_in_at / 1000.0) AS last_sign_in_at,
	m.public_metadata, m.unsafe_metadata,
	CASE WHEN u.payload_safe IS NOT NULL THEN u.payload_safe::jsonb
		WHEN strpos(u.payload, '"private_metadata"') = 0 THEN u.payload::jsonb
		ELSE jsonb_build_object('id', u.id) END
	|| CASE WHEN u.time_places IS NULL THEN '{}'::jsonb
		ELSE jsonb_strip_nulls(jsonb_build_object('updated_at', u.updated_at,
			'last_active_at', u.last_active_at, 'last_sign_in_at', u.last_sign_in_at)) END AS data
FROM mirror_data.user_search s
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_activity a USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
--> statement-breakpoint
-- Each webhook paid two insertions for what is read once in ten minutes: the order of positions, or of the table, tells as well.
DROP INDEX "mirror_data"."changes_at";--> statement-breakpoint
DROP INDEX "mirror_data"."deliveries_received_at";--> statement-breakpoint
CREATE INDEX "deliveries_age" ON "mirror_data"."deliveries" USING brin ("received_at");
