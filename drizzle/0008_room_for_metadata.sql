-- A new name touches no index of this table: with room on its page, the changed row stays there and no index learns of it.
ALTER TABLE "mirror_data"."user_metadata" SET (fillfactor = 90);
