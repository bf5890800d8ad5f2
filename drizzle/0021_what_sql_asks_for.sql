-- What the views of the next migration are asked for. In a database that somebody uses, these are made one by one beside what
-- goes on (`db/setup/build-indexes.ts`).
CREATE INDEX "user_activity_created_time" ON "mirror_data"."user_activity" USING btree (to_timestamp("created_at" / 1000::float8));--> statement-breakpoint
CREATE INDEX "user_activity_updated_time" ON "mirror_data"."user_activity" USING btree (to_timestamp("updated_at" / 1000::float8));--> statement-breakpoint
CREATE INDEX "user_activity_last_active_time" ON "mirror_data"."user_activity" USING btree (to_timestamp("last_active_at" / 1000::float8));--> statement-breakpoint
CREATE INDEX "user_activity_last_sign_in_time" ON "mirror_data"."user_activity" USING btree (to_timestamp("last_sign_in_at" / 1000::float8));--> statement-breakpoint
CREATE INDEX "user_identifiers_lower_email" ON "mirror_data"."user_identifiers" USING btree (lower("value")) WHERE "mirror_data"."user_identifiers"."kind" = 'email';--> statement-breakpoint
CREATE INDEX "user_identifiers_domain" ON "mirror_data"."user_identifiers" USING btree ("domain") WHERE "mirror_data"."user_identifiers"."kind" = 'email';--> statement-breakpoint
CREATE INDEX "user_search_email_domain" ON "mirror_data"."user_search" USING btree (split_part("email_key", '@', case when "email_key" like '%@%' and "email_key" not like '%@' then -1 end));--> statement-breakpoint
CREATE INDEX "users_deleted_time" ON "mirror_data"."users" USING btree (to_timestamp("deleted_at" / 1000::float8)) WHERE "mirror_data"."users"."deleted_at" is not null;--> statement-breakpoint
CREATE INDEX "users_email_address" ON "mirror_data"."users" USING btree ("email_address") WHERE "mirror_data"."users"."email_address" is not null;--> statement-breakpoint
CREATE INDEX "users_lower_email_address" ON "mirror_data"."users" USING btree (lower("email_address"));--> statement-breakpoint
CREATE INDEX "users_username" ON "mirror_data"."users" USING btree ("username") WHERE "mirror_data"."users"."username" is not null;--> statement-breakpoint
CREATE INDEX "users_phone_number" ON "mirror_data"."users" USING btree ("phone_number") WHERE "mirror_data"."users"."phone_number" is not null;--> statement-breakpoint
CREATE INDEX "changes_changed_at" ON "mirror_data"."changes" USING brin (to_timestamp("at" / 1000::float8));--> statement-breakpoint
-- An index of a part of the rows has no statistics of its expression, and without them a join by it is planned as if it found thousands.
CREATE STATISTICS IF NOT EXISTS "mirror_data"."user_identifiers_lower_value" ON (lower("value")) FROM "mirror_data"."user_identifiers";--> statement-breakpoint
CREATE STATISTICS IF NOT EXISTS "mirror_data"."users_deleted_time" ON (to_timestamp("deleted_at" / 1000::float8)) FROM "mirror_data"."users";
