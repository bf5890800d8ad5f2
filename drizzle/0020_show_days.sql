-- Every row has its number now. In a database with users the index is there already, built beside what went on.
CREATE INDEX IF NOT EXISTS "users_chunk" ON "mirror_data"."users" USING btree (("number" / 1024));--> statement-breakpoint
CREATE VIEW "mirror"."user_activity_days" AS
SELECT u.id AS user_id, a.day
FROM mirror_data.active_days a
JOIN mirror_data.users u ON u.number / 1024 = a.chunk AND get_bit(a.bits, u.number % 1024) = 1;
--> statement-breakpoint
COMMENT ON VIEW "mirror"."user_activity_days" IS 'On which UTC days each user was active, as far as the mirror heard of it. Deleted users are absent.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."user_activity_days".user_id IS 'Whose day it is: mirror.users.id.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."user_activity_days".day IS 'A UTC day; where day = …, or a range of days.';
--> statement-breakpoint
-- `users` sums over all days, so that a condition on the day can't come first: there are few days.
CREATE VIEW "mirror"."daily_users" AS
SELECT days.day,
	(sum(days.created) OVER (ORDER BY days.day) - sum(days.deleted) OVER (ORDER BY days.day))::integer AS users,
	days.created,
	CASE WHEN days.day >= since.history THEN days.deleted END AS deleted,
	CASE WHEN days.day >= since.activity THEN days.active END AS active,
	coalesce(days.day >= since.activity AND days.active_complete, false) AS active_complete
FROM (
	SELECT s.day::date AS day, coalesce(d.created, 0) AS created, coalesce(d.deleted, 0) AS deleted,
		coalesce(d.active, 0) AS active, coalesce(d.active_complete, false) AS active_complete
	FROM generate_series(
		least((SELECT min(day) FROM mirror_data.daily_users WHERE created > 0),
			(SELECT (to_timestamp(history_since / 1000.0) AT TIME ZONE 'UTC')::date FROM mirror_data.upstream),
			(now() AT TIME ZONE 'UTC')::date)::timestamp,
		(now() AT TIME ZONE 'UTC')::date::timestamp, '1 day') AS s(day)
	LEFT JOIN mirror_data.daily_users d ON d.day = s.day::date
) AS days
LEFT JOIN (
	SELECT (to_timestamp(history_since / 1000.0) AT TIME ZONE 'UTC')::date AS history,
		(to_timestamp(activity_since / 1000.0) AT TIME ZONE 'UTC')::date AS activity
	FROM mirror_data.upstream
) AS since ON true;
--> statement-breakpoint
COMMENT ON VIEW "mirror"."daily_users" IS 'One row for each UTC day from the first user''s to today.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".day IS 'A UTC day.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".users IS 'How many users there were at its end; today: how many there are.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".created IS 'Users created on that day, those of them deleted since the mirror''s first day too.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".deleted IS 'Users deleted on that day, as far as the mirror learnt of it then; null before the mirror''s first day.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".active IS 'Users active on that day, those deleted since too; null before the mirror''s first day, and where ACTIVITY_HISTORY is off.';--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".active_complete IS 'Whether active agrees with Clerk''s own number for that day.';
