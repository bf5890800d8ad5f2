-- Every row has its new columns now. The columns that names have left stay in "user_metadata" as long as processes of the version
-- before may write them; a later migration drops them.
CREATE OR REPLACE VIEW "mirror"."users" AS
SELECT s.id, s.external_id, u.username, u.first_name, u.last_name,
	u.email_address, u.phone_number,
	u.web3_wallet, u.image_url, s.has_image, s.banned,
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
-- In a database with users they are there already, built beside what went on, and nobody waits for a lock.
DO $$ BEGIN
	IF to_regclass('mirror_data.user_search_email_domains') IS NULL THEN
		CREATE INDEX "user_search_email_domains" ON "mirror_data"."user_search" USING gin ("email_domains");
	END IF;
	IF to_regclass('mirror_data.user_search_providers') IS NULL THEN
		CREATE INDEX "user_search_providers" ON "mirror_data"."user_search" USING gin ("providers");
	END IF;
END $$;
