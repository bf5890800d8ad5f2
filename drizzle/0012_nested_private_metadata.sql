-- What the views show is payload_safe wherever something private may be nested in the payload. Rows of earlier versions
-- lack it until the server has come to them, a page at a time: of those, only the id is shown meanwhile. No row is
-- written here, and no table scanned.
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
		ELSE jsonb_build_object('id', u.id) END AS data
FROM mirror_data.user_search s
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_activity a USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."organizations" AS
SELECT o.id, o.name, o.slug, o.public_metadata,
	to_timestamp(o.created_at / 1000.0) AS created_at, to_timestamp(o.updated_at / 1000.0) AS updated_at,
	CASE WHEN o.payload_safe IS NOT NULL THEN o.payload_safe::jsonb
		WHEN strpos(o.payload, '"private_metadata"') = 0 THEN o.payload::jsonb
		ELSE jsonb_build_object('id', o.id) END AS data
FROM mirror_data.organizations o WHERE o.payload IS NOT NULL;
--> statement-breakpoint
CREATE OR REPLACE VIEW "mirror"."organization_memberships" AS
SELECT m.id, m.organization_id, m.user_id, m.role, m.public_metadata,
	to_timestamp(m.created_at / 1000.0) AS created_at, to_timestamp(m.updated_at / 1000.0) AS updated_at,
	CASE WHEN m.payload_safe IS NOT NULL THEN m.payload_safe::jsonb
		WHEN strpos(m.payload, '"private_metadata"') = 0 THEN m.payload::jsonb
		ELSE jsonb_build_object('id', m.id) END AS data
FROM mirror_data.organization_memberships m
WHERE m.payload IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM mirror_data.users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
	AND NOT EXISTS (SELECT 1 FROM mirror_data.organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL);
