ALTER TABLE "mirror_data"."upstream" ADD COLUMN "field_policy" text;--> statement-breakpoint
-- The planner asks nothing of these, and a sample of their values would outlive a letter that is erased.
ALTER TABLE "mirror_data"."dead_letters" ALTER COLUMN "payload" SET STATISTICS 0, ALTER COLUMN "error" SET STATISTICS 0;
