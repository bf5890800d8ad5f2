-- What no search looks at leaves the table that searches and counts read from end to end.
CREATE TABLE "mirror_data"."user_grams" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"rare_grams" text[] COLLATE "C" NOT NULL
);
--> statement-breakpoint
INSERT INTO "mirror_data"."user_grams" SELECT id, rare_grams FROM "mirror_data"."user_search";--> statement-breakpoint
CREATE INDEX "user_grams_rare_grams" ON "mirror_data"."user_grams" USING gin ("rare_grams");--> statement-breakpoint
ALTER TABLE "mirror_data"."user_metadata"
	ADD COLUMN "username" text COLLATE "C",
	ADD COLUMN "first_name" text COLLATE "C",
	ADD COLUMN "last_name" text COLLATE "C",
	ADD COLUMN "email_address" text COLLATE "C",
	ADD COLUMN "phone_number" text COLLATE "C",
	ADD COLUMN "web3_wallet" text COLLATE "C",
	ADD COLUMN "image_url" text COLLATE "C";
--> statement-breakpoint
UPDATE "mirror_data"."user_metadata" m
SET username = s.username, first_name = s.first_name, last_name = s.last_name, email_address = s.email_address,
	phone_number = s.phone_number, web3_wallet = s.web3_wallet, image_url = s.image_url
FROM "mirror_data"."user_search" s WHERE s.id = m.id;
--> statement-breakpoint
-- LEFT joins: a table none of whose columns are asked for is not read. Each has exactly one row per live user.
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
	coalesce(u.payload_safe, u.payload)::jsonb AS data
FROM mirror_data.user_search s
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_activity a USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
--> statement-breakpoint
ALTER TABLE "mirror_data"."user_search"
	DROP COLUMN "rare_grams",
	DROP COLUMN "username",
	DROP COLUMN "first_name",
	DROP COLUMN "last_name",
	DROP COLUMN "email_address",
	DROP COLUMN "phone_number",
	DROP COLUMN "web3_wallet",
	DROP COLUMN "image_url",
	-- Writes every row anew: those that exist would keep the width of what is dropped.
	ALTER COLUMN "name_search" TYPE text COLLATE "C" USING name_search || '';
