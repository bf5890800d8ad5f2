import type { Visit } from "../visit/visit.js";
import { Notice } from "./basics.js";

/** What an address shows that no page has. */
export const NothingHere = ({ visit }: { visit: Pick<Visit, "link"> }) => (
  <Notice tone="warn">
    The dashboard has nothing at this address. Begin at the <a href={visit.link("")}>overview</a>.
  </Notice>
);
