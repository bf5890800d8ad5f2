-- Rows that the view leaves out, of users and organizations who are gone, have their content still. Conditions of a reader may be looked at
-- before those of the view, so that an error or a function of the reader's own would tell what stands there. So the content itself is
-- shown only where nobody is gone. (As a security barrier the view couldn't be joined with others by their indexes.)
CREATE OR REPLACE VIEW "mirror"."organization_memberships" AS
SELECT m.id, m.organization_id, m.user_id, m.role,
	CASE WHEN NOT EXISTS (SELECT 1 FROM mirror_data.users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
		AND NOT EXISTS (SELECT 1 FROM mirror_data.organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL)
		THEN m.public_metadata END AS public_metadata,
	to_timestamp(m.created_at / 1000::float8) AS created_at, to_timestamp(m.updated_at / 1000::float8) AS updated_at,
	CASE WHEN EXISTS (SELECT 1 FROM mirror_data.users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
			OR EXISTS (SELECT 1 FROM mirror_data.organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL) THEN NULL
		WHEN m.payload_safe IS NOT NULL THEN m.payload_safe::jsonb
		WHEN strpos(m.payload, '"private_metadata"') = 0 THEN m.payload::jsonb
		ELSE jsonb_build_object('id', m.id) END AS data
FROM mirror_data.organization_memberships m
WHERE m.payload IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM mirror_data.users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
	AND NOT EXISTS (SELECT 1 FROM mirror_data.organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL);
