import { Notice } from "../parts/basics.js";
import { Document } from "../parts/layout.js";
import type { Visit } from "../visit/visit.js";

/**
 * What is shown instead of a page while nobody can tell who looks at it: the key that was entered, or that of the session, can't be
 * looked up. `againSeconds`: the browser loads it again by itself so soon; null: it doesn't.
 */
export const Unavailable = ({
  visit,
  problem,
  againSeconds,
}: {
  visit: Pick<Visit, "theme" | "asset">;
  problem: string;
  againSeconds: number | null;
}) => (
  <Document visit={visit} title="Not available">
    <main class="sign-in" id="main">
      <h1>User Mirror</h1>
      <Notice tone="bad">
        {problem} Nothing was changed.{" "}
        {againSeconds === null
          ? "Try it again in a moment."
          : `This page tries again every ${againSeconds} seconds.`}
      </Notice>
    </main>
  </Document>
);
