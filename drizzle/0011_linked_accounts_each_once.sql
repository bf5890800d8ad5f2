-- A linked account is known by the id that Clerk's API deletes it by: legacy ones have it in a member of its own.
UPDATE mirror_data.user_identifiers SET clerk_id = left(detail->>'external_account_id', 600)
WHERE kind = 'account' AND coalesce(detail->>'external_account_id', '') <> '';
--> statement-breakpoint
-- Accounts that had no row of their own, of users who have more accounts than rows: those with the same provider and the
-- same id there, an empty one for instance, and those without either. Written as sync/derive.ts writes them. Only those
-- users are locked; running processes go on.
WITH picked AS MATERIALIZED (
	SELECT u.id, coalesce(u.payload_safe, u.payload)::jsonb->'external_accounts' AS accounts
	FROM mirror_data.users u
	WHERE CASE
		WHEN u.payload LIKE '%"external_accounts":[{%'
			AND jsonb_typeof(coalesce(u.payload_safe, u.payload)::jsonb->'external_accounts') = 'array'
		THEN jsonb_array_length(coalesce(u.payload_safe, u.payload)::jsonb->'external_accounts') > (
			SELECT count(*) FROM mirror_data.user_identifiers i WHERE i.user_id = u.id AND i.kind = 'account')
		ELSE false END
	ORDER BY u.id FOR UPDATE
), accounts AS (
	SELECT p.id AS user_id, a.detail, row_number() OVER (PARTITION BY p.id ORDER BY a.n) - 1 AS n,
		coalesce(nullif(CASE WHEN jsonb_typeof(a.detail->'external_account_id') = 'string' THEN a.detail->>'external_account_id' END, ''),
			CASE WHEN jsonb_typeof(a.detail->'id') = 'string' THEN a.detail->>'id' END) AS clerk_id,
		CASE WHEN jsonb_typeof(a.detail->'provider') = 'string' AND jsonb_typeof(a.detail->'provider_user_id') = 'string'
			THEN left(regexp_replace(a.detail->>'provider', '^oauth_', '') || E'\n' || (a.detail->>'provider_user_id'), 600) END AS spelled
	FROM picked p CROSS JOIN LATERAL jsonb_array_elements(p.accounts) WITH ORDINALITY AS a(detail, n)
	WHERE jsonb_typeof(a.detail) = 'object'
), numbered AS (
	SELECT a.*, row_number() OVER w AS twin, first_value(a.clerk_id) OVER w AS first_id
	FROM accounts a WINDOW w AS (PARTITION BY a.user_id, a.spelled ORDER BY a.n)
)
INSERT INTO mirror_data.user_identifiers (
	user_id, kind, value, folded, clerk_id, is_primary, verification_status, created_at, updated_at, detail)
SELECT a.user_id, 'account',
	coalesce(left(a.spelled, 300), '') || E'\n' || coalesce(left(a.clerk_id, 200), a.n::text),
	coalesce((SELECT i.folded FROM mirror_data.user_identifiers i
		WHERE i.user_id = a.user_id AND i.kind = 'account' AND i.value = a.spelled), ''),
	left(a.clerk_id, 600), false, left(a.detail->'verification'->>'status', 600),
	CASE WHEN a.detail->>'created_at' ~ '^\d{1,15}$' THEN (a.detail->>'created_at')::bigint END,
	CASE WHEN a.detail->>'updated_at' ~ '^\d{1,15}$' THEN (a.detail->>'updated_at')::bigint END,
	a.detail
FROM numbered a
WHERE a.spelled IS NULL OR (a.twin > 1 AND (a.clerk_id IS NULL OR a.clerk_id IS DISTINCT FROM a.first_id))
ON CONFLICT (user_id, kind, value) DO NOTHING;
--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".id IS 'Clerk''s id of the linked account, by which its API deletes it.';
