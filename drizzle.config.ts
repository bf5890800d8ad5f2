import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: ["./src/db/columns.ts", "./src/db/schema.ts", "./src/db/sync-schema.ts"],
  out: "./drizzle",
  schemaFilter: ["mirror_data"],
});
