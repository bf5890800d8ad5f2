ALTER TABLE "mirror_data"."upstream" ADD COLUMN "counted_here" integer;--> statement-breakpoint
CREATE INDEX "runs_queued_at" ON "mirror_data"."runs" USING btree ("queued_at");--> statement-breakpoint
CREATE INDEX "runs_open" ON "mirror_data"."runs" USING btree ("state") WHERE "mirror_data"."runs"."state" in ('queued', 'running');