CREATE TABLE "mirror_data"."budget" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"spending" jsonb NOT NULL,
	CONSTRAINT "budget_one_row" CHECK ("mirror_data"."budget"."one")
);
--> statement-breakpoint
CREATE TABLE "mirror_data"."leases" (
	"name" text COLLATE "C" PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"epoch" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "mirror_data"."runs" ADD COLUMN "allow_purge" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."runs" ADD COLUMN "rolling" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."runs" ADD COLUMN "attempts" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."runs" ADD COLUMN "difference_ids" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "memberships_as_of" bigint;--> statement-breakpoint
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "keeps_to_bounds" boolean;--> statement-breakpoint
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "counted" integer;--> statement-breakpoint
ALTER TABLE "mirror_data"."upstream" ADD COLUMN "counted_at" bigint;