-- No row is written: processes of the version before leave these null, and a day without them isn't complete.
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "first_unswept" integer;--> statement-breakpoint
ALTER TABLE "mirror_data"."daily_users" ADD COLUMN "active_counted" integer;--> statement-breakpoint
ALTER TABLE "mirror_data"."daily_users" ADD COLUMN "active_counted_at" bigint;--> statement-breakpoint
COMMENT ON COLUMN "mirror"."daily_users".active_complete IS 'Whether active agrees with Clerk''s own number for that day, which is known shortly after its end. False if Clerk could not be asked around midnight.';
