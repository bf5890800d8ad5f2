-- Times are spelled as the indexes of the migration before have them. `mirror.users` begins where all four times stand, since an
-- index of a table that is joined from outside gives no order, and it shows what a scan of that table knows from there.
CREATE OR REPLACE VIEW "mirror"."users" AS
SELECT a.id, s.external_id, u.username, u.first_name, u.last_name,
	u.email_address, u.phone_number,
	u.web3_wallet, u.image_url, a.has_image, a.banned,
	(u.locked_until IS NOT NULL AND u.locked_until > extract(epoch FROM now()) * 1000) AS locked,
	a.password_enabled, a.two_factor_enabled,
	to_timestamp(a.created_at / 1000::float8) AS created_at,
	to_timestamp(a.updated_at / 1000::float8) AS updated_at,
	to_timestamp(a.last_active_at / 1000::float8) AS last_active_at,
	to_timestamp(a.last_sign_in_at / 1000::float8) AS last_sign_in_at,
	m.public_metadata, m.unsafe_metadata,
	CASE WHEN u.payload_safe IS NOT NULL THEN u.payload_safe::jsonb
		WHEN strpos(u.payload, '"private_metadata"') = 0 THEN u.payload::jsonb
		ELSE jsonb_build_object('id', u.id) END
	|| CASE WHEN u.time_places IS NULL THEN '{}'::jsonb
		ELSE jsonb_strip_nulls(jsonb_build_object('updated_at', u.updated_at,
			'last_active_at', u.last_active_at, 'last_sign_in_at', u.last_sign_in_at)) END AS data,
	-- Strict, so that a condition on it can be asked first: `nullif` isn't. A regular expression would take ten times as long.
	split_part(s.email_key, '@', CASE WHEN s.email_key LIKE '%@%' AND s.email_key NOT LIKE '%@' THEN -1 END) AS email_domain
FROM mirror_data.user_activity a
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_search s USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".id IS 'Clerk''s user id (user_…). Indexed, as are external_id, username, email_address, phone_number, email_domain and the times.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".email_address IS 'The primary e-mail address; all of them: mirror.email_addresses. Indexed as it is and as lower(email_address).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".last_active_at IS 'Last session activity, to the day; null if never. For the order of an index: where last_active_at is not null order by last_active_at desc.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".last_sign_in_at IS 'Last sign-in; null if never. For the order of an index: where last_sign_in_at is not null order by last_sign_in_at desc.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".unsafe_metadata IS 'Written by the user''s own browser: don''t trust it. Indexed as public_metadata is.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".email_domain IS 'What follows the last @ of the primary e-mail address, in lower case; null if there is none.';
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."email_addresses" AS
SELECT i.clerk_id AS id, i.user_id, i.value AS email_address, i.domain,
	i.is_primary, i.verification_status,
	to_timestamp(i.created_at / 1000::float8) AS created_at, to_timestamp(i.updated_at / 1000::float8) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'email';
--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".domain IS 'What follows the last @, in lower case; null if nothing does. Indexed.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".email_address IS 'As spelled in Clerk. Indexed as lower(email_address).';
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."phone_numbers" AS
SELECT i.clerk_id AS id, i.user_id, i.value AS phone_number, i.is_primary, i.verification_status,
	to_timestamp(i.created_at / 1000::float8) AS created_at, to_timestamp(i.updated_at / 1000::float8) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'phone';
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."web3_wallets" AS
SELECT i.clerk_id AS id, i.user_id, i.value AS web3_wallet, i.is_primary, i.verification_status,
	to_timestamp(i.created_at / 1000::float8) AS created_at, to_timestamp(i.updated_at / 1000::float8) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'wallet';
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."external_accounts" AS
SELECT i.clerk_id AS id, i.user_id, i.detail->>'provider' AS provider, i.detail->>'provider_user_id' AS provider_user_id,
	i.detail->>'email_address' AS email_address, i.detail->>'username' AS username,
	i.detail->>'first_name' AS first_name, i.detail->>'last_name' AS last_name,
	i.detail->'public_metadata' AS public_metadata, i.verification_status,
	to_timestamp(i.created_at / 1000::float8) AS created_at, to_timestamp(i.updated_at / 1000::float8) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'account';
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."organizations" AS
SELECT o.id, o.name, o.slug, o.public_metadata,
	to_timestamp(o.created_at / 1000::float8) AS created_at, to_timestamp(o.updated_at / 1000::float8) AS updated_at,
	CASE WHEN o.payload_safe IS NOT NULL THEN o.payload_safe::jsonb
		WHEN strpos(o.payload, '"private_metadata"') = 0 THEN o.payload::jsonb
		ELSE jsonb_build_object('id', o.id) END AS data
FROM mirror_data.organizations o WHERE o.payload IS NOT NULL;
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."organization_memberships" AS
SELECT m.id, m.organization_id, m.user_id, m.role, m.public_metadata,
	to_timestamp(m.created_at / 1000::float8) AS created_at, to_timestamp(m.updated_at / 1000::float8) AS updated_at,
	CASE WHEN m.payload_safe IS NOT NULL THEN m.payload_safe::jsonb
		WHEN strpos(m.payload, '"private_metadata"') = 0 THEN m.payload::jsonb
		ELSE jsonb_build_object('id', m.id) END AS data
FROM mirror_data.organization_memberships m
WHERE m.payload IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM mirror_data.users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
	AND NOT EXISTS (SELECT 1 FROM mirror_data.organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL);
--> statement-breakpoint
CREATE VIEW "mirror"."deleted_users" AS
SELECT u.id, to_timestamp(u.deleted_at / 1000::float8) AS deleted_at
FROM mirror_data.users u WHERE u.deleted_at IS NOT NULL;
--> statement-breakpoint
COMMENT ON VIEW "mirror"."deleted_users" IS 'Whom Clerk has deleted, for copies that must forget them too. Nothing else is kept of them.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."deleted_users".id IS 'The id that the user had.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."deleted_users".deleted_at IS 'When the mirror learnt of it. Indexed.';
--> statement-breakpoint
CREATE VIEW "mirror"."changes" AS
SELECT c.position, c.type, c.id, c.version, to_timestamp(c.at / 1000::float8) AS changed_at
FROM mirror_data.changes c;
--> statement-breakpoint
COMMENT ON VIEW "mirror"."changes" IS 'What has changed, in the order of commits: whoever has read up to a position misses nothing behind it. Kept for a week, unless CHANGES_RETENTION says otherwise.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."changes".position IS 'Rises with each commit, with gaps. Indexed.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."changes".type IS 'user.upserted, user.deleted, organization.…, membership.…; those that are deleted take their memberships with them, without rows of their own.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."changes".id IS 'Of the user, organization or membership.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."changes".version IS 'Clerk''s updated_at of what was stored, in milliseconds; 0 for a deletion.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."changes".changed_at IS 'When the mirror stored it, by the database server''s clock; several commits may share a millisecond. Indexed for ranges.';--> statement-breakpoint
-- From the narrowest table that has the numbers: most questions for days are about so many users that it is read from end to end.
CREATE OR REPLACE VIEW "mirror"."user_activity_days" AS
SELECT u.id AS user_id, a.day
FROM mirror_data.active_days a
JOIN mirror_data.user_activity u ON u.number / 1024 = a.chunk AND get_bit(a.bits, u.number % 1024) = 1;
--> statement-breakpoint
-- It found the users of a chunk for this view. Nobody else asks for it.
DROP INDEX "mirror_data"."users_chunk";
