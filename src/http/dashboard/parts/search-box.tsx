import type { Visit } from "../visit/visit.js";

/** Searches as one types, and without a script when it is sent. The page has what is found in `#results`. */
export function SearchBox(props: { visit: Visit; path: string; label: string; placeholder: string }) {
  const { visit, path, label, placeholder } = props;
  const address = visit.link(path);
  return (
    <form action={address} method="get" class="row panel">
      <label class="hidden" for="q">
        {label}
      </label>
      <input
        {...{ id: "q", type: "search", name: "q", value: visit.query.get("q") ?? "", autocomplete: "off" }}
        placeholder={placeholder}
        {...{ "hx-get": address, "hx-trigger": "input changed delay:150ms", "hx-target": "#results" }}
        {...{ "hx-select": "#results", "hx-swap": "outerHTML", "hx-replace-url": "true" }}
      />
      <button type="submit">Search</button>
    </form>
  );
}
