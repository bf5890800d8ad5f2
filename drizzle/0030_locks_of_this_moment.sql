-- `data` says of a lock that ends what the API says at this moment: Clerk's object tells how many seconds were left when it was asked.
-- Whoever is locked has the times in the payload, so one object is laid over it, whichever it is.
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
	|| CASE WHEN u.locked_until < 9007199254740991
			THEN jsonb_build_object('locked', u.locked_until > extract(epoch FROM now()) * 1000,
				'lockout_expires_in_seconds', CASE WHEN u.locked_until > extract(epoch FROM now()) * 1000
					THEN ceil(u.locked_until / 1000.0 - extract(epoch FROM now()))::bigint END)
		WHEN u.time_places IS NULL THEN '{}'::jsonb
		ELSE jsonb_strip_nulls(jsonb_build_object('updated_at', u.updated_at,
			'last_active_at', u.last_active_at, 'last_sign_in_at', u.last_sign_in_at)) END AS data,
	-- Strict, so that a condition on it can be asked first: `nullif` isn't. A regular expression would take ten times as long.
	split_part(s.email_key, '@', CASE WHEN s.email_key LIKE '%@%' AND s.email_key NOT LIKE '%@' THEN -1 END) AS email_domain
FROM mirror_data.user_activity a
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_search s USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
