-- Users are gathered by 64 numbers and, for cohorts, by periods too. These come in the order of the numbers, so that there are about as many
-- groups as words of numbers. The planner multiplies both, and lets no worker help where there seem to be too many groups.
ALTER TABLE "mirror_data"."user_activity" ALTER COLUMN "number" SET (n_distinct = 200);--> statement-breakpoint
ANALYZE "mirror_data"."user_activity" ("number");--> statement-breakpoint
CREATE VIEW "mirror_data"."days" AS
SELECT date '1970-01-01' + n AS day
FROM generate_series(
	least((SELECT min(day) FROM mirror_data.daily_users WHERE created > 0),
		(SELECT (to_timestamp(history_since / 1000.0) AT TIME ZONE 'UTC')::date FROM mirror_data.upstream),
		(now() AT TIME ZONE 'UTC')::date) - date '1970-01-01',
	(now() AT TIME ZONE 'UTC')::date - date '1970-01-01') AS n;
--> statement-breakpoint
COMMENT ON VIEW "mirror_data"."days" IS 'The UTC days from the first user''s to today.';--> statement-breakpoint
-- The sum over all days stands in a subquery with one row a day, so that it is left out where nobody asks for `users`: then a condition
-- on the day comes first.
CREATE OR REPLACE VIEW "mirror"."daily_users" AS
SELECT days.day,
	sums.users::integer AS users,
	coalesce(d.created, 0) AS created,
	CASE WHEN days.day >= since.history THEN coalesce(d.deleted, 0) END AS deleted,
	CASE WHEN days.day >= since.activity THEN coalesce(d.active, 0) END AS active,
	coalesce(days.day >= since.activity AND d.active_complete, false) AS active_complete
FROM mirror_data.days
LEFT JOIN mirror_data.daily_users d USING (day)
LEFT JOIN (
	SELECT day, sum(coalesce(sum(d.created - d.deleted), 0)) OVER (ORDER BY day ROWS UNBOUNDED PRECEDING) AS users
	FROM mirror_data.days LEFT JOIN mirror_data.daily_users d USING (day) GROUP BY day
) AS sums USING (day)
LEFT JOIN (
	SELECT (to_timestamp(history_since / 1000.0) AT TIME ZONE 'UTC')::date AS history,
		(to_timestamp(activity_since / 1000.0) AT TIME ZONE 'UTC')::date AS activity
	FROM mirror_data.upstream
) AS since ON true;
