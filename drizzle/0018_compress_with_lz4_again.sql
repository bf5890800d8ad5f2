-- Moving the payload (0015) gave it the server's own compression, pglz in most, which takes two to five times as long to write
-- and twice as long to read. What is written from now on has lz4; the rest is read as before.
DO $$ BEGIN
	ALTER TABLE "mirror_data"."users" ALTER COLUMN "payload" SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
