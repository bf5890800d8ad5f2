import { changesPage } from "./changes.js";
import { deadLettersPage } from "./dead-letters.js";
import { keysPage } from "./keys.js";
import { organizationsPage } from "./organizations.js";
import { overviewPage } from "./overview.js";
import type { Page } from "./page.js";
import { runsPage } from "./runs.js";
import { systemPage } from "./system.js";
import { usersPage } from "./users.js";

/** Every page of the dashboard, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  overviewPage,
  usersPage,
  organizationsPage,
  changesPage,
  runsPage,
  deadLettersPage,
  keysPage,
  systemPage,
];
