-- The two times that the fold decides about stand in the row that it locks, and comparing a page reads one table.
ALTER TABLE "mirror_data"."users" ADD COLUMN "last_active_at" bigint;--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "last_sign_in_at" bigint;--> statement-breakpoint
UPDATE "mirror_data"."users" u
SET last_active_at = a.last_active_at, last_sign_in_at = a.last_sign_in_at
FROM "mirror_data"."user_activity" a
WHERE a.id = u.id AND (a.last_active_at IS NOT NULL OR a.last_sign_in_at IS NOT NULL);
