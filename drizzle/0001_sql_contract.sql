CREATE SCHEMA IF NOT EXISTS "mirror";
--> statement-breakpoint
COMMENT ON SCHEMA "mirror" IS 'Your Clerk users, kept exact by User Mirror. Stable views; the tables behind them (mirror_data) are not.';
--> statement-breakpoint
CREATE VIEW "mirror"."users" AS
SELECT s.id, s.external_id, s.username, s.first_name, s.last_name,
	s.email_address, s.phone_number, s.web3_wallet, s.image_url, s.has_image, s.banned,
	(u.locked_until IS NOT NULL AND u.locked_until > extract(epoch FROM now()) * 1000) AS locked,
	s.password_enabled, s.two_factor_enabled,
	to_timestamp(s.created_at / 1000.0) AS created_at,
	to_timestamp(a.updated_at / 1000.0) AS updated_at,
	to_timestamp(a.last_active_at / 1000.0) AS last_active_at,
	to_timestamp(a.last_sign_in_at / 1000.0) AS last_sign_in_at,
	m.public_metadata, m.unsafe_metadata,
	coalesce(u.payload_safe, u.payload)::jsonb AS data
FROM mirror_data.user_search s
JOIN mirror_data.users u USING (id)
JOIN mirror_data.user_activity a USING (id)
JOIN mirror_data.user_metadata m USING (id);
--> statement-breakpoint
COMMENT ON VIEW "mirror"."users" IS 'One row per user that exists in Clerk. Deleted users are absent.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".id IS 'Clerk''s user id (user_…).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".external_id IS 'The id your own system gave the user; null if none.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".username IS 'As the user spells it; null if none.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".first_name IS 'First name; null if unset.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".last_name IS 'Last name; null if unset.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".email_address IS 'The primary e-mail address; all of them: mirror.email_addresses.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".phone_number IS 'The primary phone number, E.164; all of them: mirror.phone_numbers.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".web3_wallet IS 'The primary wallet; all of them: mirror.web3_wallets.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".image_url IS 'Always a URL; has_image tells whether it is a picture of the user''s own.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".has_image IS 'Whether the user has a picture of their own.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".banned IS 'Banned users can''t sign in.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".locked IS 'Locked out at this moment; turns false by itself when the lock ends.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".password_enabled IS 'Whether the user has a password.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".two_factor_enabled IS 'Whether a second factor is set up.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".created_at IS 'When the user was created in Clerk.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".updated_at IS 'When the user last changed in Clerk.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".last_active_at IS 'Last session activity, to the day; null if never.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".last_sign_in_at IS 'Last sign-in; null if never.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".public_metadata IS 'Indexed: where public_metadata @> ''{"plan":"pro"}''.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".unsafe_metadata IS 'Written by the user''s own browser: don''t trust it.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."users".data IS 'The whole user as Clerk''s API shows it, without private_metadata.';
--> statement-breakpoint
CREATE VIEW "mirror"."user_private_metadata" AS
SELECT m.id, m.private_metadata FROM mirror_data.user_metadata m;
--> statement-breakpoint
COMMENT ON VIEW "mirror"."user_private_metadata" IS 'Private metadata, apart so that it is granted apart (role mirror_reader_private).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."user_private_metadata".id IS 'The user''s id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."user_private_metadata".private_metadata IS 'Readable by back ends only.';
--> statement-breakpoint
CREATE VIEW "mirror"."email_addresses" AS
SELECT i.clerk_id AS id, i.user_id, i.value AS email_address, split_part(i.folded, '@', -1) AS domain,
	i.is_primary, i.verification_status,
	to_timestamp(i.created_at / 1000.0) AS created_at, to_timestamp(i.updated_at / 1000.0) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'email';
--> statement-breakpoint
COMMENT ON VIEW "mirror"."email_addresses" IS 'Every e-mail address of every user, verified or not.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".id IS 'Clerk''s id of the address (idn_…).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".user_id IS 'Whose it is: mirror.users.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".email_address IS 'As spelled in Clerk.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".domain IS 'What follows the last @, in lower case.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".is_primary IS 'Whether it is the user''s primary address.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".verification_status IS 'verified, unverified, failed, expired, transferable; null if never verified.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".created_at IS 'When it was added.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."email_addresses".updated_at IS 'When it last changed.';
--> statement-breakpoint
CREATE VIEW "mirror"."phone_numbers" AS
SELECT i.clerk_id AS id, i.user_id, i.value AS phone_number, i.is_primary, i.verification_status,
	to_timestamp(i.created_at / 1000.0) AS created_at, to_timestamp(i.updated_at / 1000.0) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'phone';
--> statement-breakpoint
COMMENT ON VIEW "mirror"."phone_numbers" IS 'Every phone number of every user, verified or not.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".id IS 'Clerk''s id of the number (idn_…).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".user_id IS 'Whose it is: mirror.users.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".phone_number IS 'E.164.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".is_primary IS 'Whether it is the user''s primary number.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".verification_status IS 'As in mirror.email_addresses.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".created_at IS 'When it was added.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."phone_numbers".updated_at IS 'When it last changed.';
--> statement-breakpoint
CREATE VIEW "mirror"."web3_wallets" AS
SELECT i.clerk_id AS id, i.user_id, i.value AS web3_wallet, i.is_primary, i.verification_status,
	to_timestamp(i.created_at / 1000.0) AS created_at, to_timestamp(i.updated_at / 1000.0) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'wallet';
--> statement-breakpoint
COMMENT ON VIEW "mirror"."web3_wallets" IS 'Every web3 wallet of every user, verified or not.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".id IS 'Clerk''s id of the wallet (idn_…).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".user_id IS 'Whose it is: mirror.users.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".web3_wallet IS 'The wallet''s address as spelled in Clerk.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".is_primary IS 'Whether it is the user''s primary wallet.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".verification_status IS 'As in mirror.email_addresses.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".created_at IS 'When it was added.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."web3_wallets".updated_at IS 'When it last changed.';
--> statement-breakpoint
CREATE VIEW "mirror"."external_accounts" AS
SELECT i.clerk_id AS id, i.user_id, i.detail->>'provider' AS provider, i.detail->>'provider_user_id' AS provider_user_id,
	i.detail->>'email_address' AS email_address, i.detail->>'username' AS username,
	i.detail->>'first_name' AS first_name, i.detail->>'last_name' AS last_name,
	i.detail->'public_metadata' AS public_metadata, i.verification_status,
	to_timestamp(i.created_at / 1000.0) AS created_at, to_timestamp(i.updated_at / 1000.0) AS updated_at
FROM mirror_data.user_identifiers i WHERE i.kind = 'account';
--> statement-breakpoint
COMMENT ON VIEW "mirror"."external_accounts" IS 'Every linked account (Google, GitHub, …) of every user.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".id IS 'Clerk''s id of the linked account.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".user_id IS 'Whose it is: mirror.users.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".provider IS 'For example oauth_google.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".provider_user_id IS 'The user''s id at the provider.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".email_address IS 'As the provider reports it.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".username IS 'As the provider reports it.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".first_name IS 'As the provider reports it.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".last_name IS 'As the provider reports it.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".public_metadata IS 'The linked account''s metadata, not the user''s.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".verification_status IS 'As in mirror.email_addresses.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".created_at IS 'When it was linked.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."external_accounts".updated_at IS 'When it last changed.';
--> statement-breakpoint
CREATE VIEW "mirror"."organizations" AS
SELECT o.id, o.name, o.slug, o.public_metadata,
	to_timestamp(o.created_at / 1000.0) AS created_at, to_timestamp(o.updated_at / 1000.0) AS updated_at,
	coalesce(o.payload_safe, o.payload)::jsonb AS data
FROM mirror_data.organizations o WHERE o.payload IS NOT NULL;
--> statement-breakpoint
COMMENT ON VIEW "mirror"."organizations" IS 'One row per organization that exists in Clerk and that the mirror has seen.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".id IS 'Clerk''s organization id (org_…).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".name IS 'Display name.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".slug IS 'URL name; null if none.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".public_metadata IS 'The organization''s public metadata.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".created_at IS 'When it was created in Clerk.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".updated_at IS 'When it last changed in Clerk.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organizations".data IS 'The whole organization without private_metadata.';
--> statement-breakpoint
-- The one rule of which memberships can be read; the API's queries read them through this view too.
CREATE VIEW "mirror"."organization_memberships" AS
SELECT m.id, m.organization_id, m.user_id, m.role, m.public_metadata,
	to_timestamp(m.created_at / 1000.0) AS created_at, to_timestamp(m.updated_at / 1000.0) AS updated_at,
	coalesce(m.payload_safe, m.payload)::jsonb AS data
FROM mirror_data.organization_memberships m
WHERE m.payload IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM mirror_data.users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
	AND NOT EXISTS (SELECT 1 FROM mirror_data.organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL);
--> statement-breakpoint
COMMENT ON VIEW "mirror"."organization_memberships" IS 'Who belongs to which organization, in which role.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".id IS 'Clerk''s membership id (orgmem_…).';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".organization_id IS 'mirror.organizations.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".user_id IS 'mirror.users.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".role IS 'For example org:admin.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".public_metadata IS 'The membership''s own metadata.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".created_at IS 'When the user joined.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".updated_at IS 'When the membership last changed.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."organization_memberships".data IS 'The membership without its embedded organization, user data and private_metadata: join those.';
