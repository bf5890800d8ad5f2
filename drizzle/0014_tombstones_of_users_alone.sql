-- Tombstones of users that were written when Clerk was asked for a user by the id of an organization or membership. What
-- the feed told of them stays told: nobody knew such a user.
DELETE FROM mirror_data.users u
WHERE u.deleted_at IS NOT NULL AND (
	u.id LIKE 'org\_%' OR u.id LIKE 'orgmem\_%'
	OR EXISTS (SELECT FROM mirror_data.organizations o WHERE o.id = u.id)
	OR EXISTS (SELECT FROM mirror_data.organization_memberships m WHERE m.id = u.id));
