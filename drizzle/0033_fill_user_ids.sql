-- Apart from the trigger's migration, whose lock writers wait for. Who is deleted meanwhile leaves an id that no search has a user for.
INSERT INTO "mirror_data"."user_ids" SELECT id FROM "mirror_data"."user_search" ORDER BY id ON CONFLICT (id) DO NOTHING;
