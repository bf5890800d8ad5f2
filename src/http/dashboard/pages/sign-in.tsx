import { Notice } from "../parts/basics.js";
import { Document } from "../parts/layout.js";
import type { Visit } from "../visit/visit.js";

/** The only page that is open. It works without a script. */
export function SignIn({
  visit,
  next,
  problem,
}: {
  visit: Pick<Visit, "theme" | "asset" | "link">;
  next: string;
  problem: string | null;
}) {
  return (
    <Document visit={visit} title="Sign in">
      <main class="sign-in" id="main">
        <h1>User Mirror</h1>
        <div class="panel">
          {problem !== null && <Notice tone="bad">{problem}</Notice>}
          <form method="post" action={visit.link("sign-in")}>
            <input type="hidden" name="next" value={next} />
            <label>
              API key
              <input
                type="password"
                name="key"
                autocomplete="current-password"
                required
                autofocus
                spellcheck={false}
                aria-describedby="key-help"
              />
            </label>
            <p class="quiet" id="key-help">
              Any key of this mirror signs in, and shows what its scopes allow.{" "}
              <code>user-mirror keys create --name me --scope users:read</code> makes one.
            </p>
            <button type="submit" class="primary">
              Sign in
            </button>
          </form>
        </div>
      </main>
    </Document>
  );
}
