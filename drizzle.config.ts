import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: [
    "./src/db/tables/columns.ts",
    "./src/db/tables/users.ts",
    "./src/db/tables/organizations.ts",
    "./src/db/tables/sync.ts",
    "./src/db/tables/history.ts",
  ],
  out: "./drizzle",
  schemaFilter: ["mirror_data"],
});
