/** Deeper, and more than so many, values are shown as JSON: a page has to end somewhere. */
const [MOST_DEPTH, MOST_NODES] = [12, 1500];
/** Each level is indented by two more. */
const MOST_INDENTED = 40;

/** JSON to be read by people: a tree that opens, and the text. */
export function JsonView({ name, value }: { name: string; value: unknown }) {
  return (
    <>
      <ul class="tree" aria-label={`${name} as a tree`}>
        <Branch value={value} depth={0} left={{ nodes: MOST_NODES }} />
      </ul>
      <details>
        <summary>Raw</summary>
        <pre tabindex={0}>{prettyJson(value)}</pre>
      </details>
    </>
  );
}

/** Indented, where that doesn't make it many times as long. */
export const prettyJson = (value: unknown): string =>
  isDeeper(value, MOST_INDENTED) ? JSON.stringify(value) : JSON.stringify(value, null, 2);

function Branch({ value, depth, left }: { value: unknown; depth: number; left: { nodes: number } }) {
  if (typeof value !== "object" || value === null) return <li>{JSON.stringify(value)}</li>;
  const entries = Object.entries(value);
  if (entries.length === 0)
    return <li class="quiet">{Array.isArray(value) ? "an empty list" : "nothing"}</li>;
  return (
    <>
      {entries.map(([key, inner]) => {
        left.nodes--;
        if (left.nodes < 0) return null;
        const hasParts = typeof inner === "object" && inner !== null && Object.keys(inner).length > 0;
        if (!hasParts || depth >= MOST_DEPTH) {
          return (
            <li>
              <span class="key">{key === "" ? '""' : key}</span> <code>{JSON.stringify(inner)}</code>
            </li>
          );
        }
        return (
          <li>
            <details open={depth < 2}>
              <summary>
                <span class="key">{key}</span>{" "}
                <span class="quiet">{Array.isArray(inner) ? `list of ${inner.length}` : ""}</span>
              </summary>
              <ul>
                <Branch value={inner} depth={depth + 1} left={left} />
              </ul>
            </details>
          </li>
        );
      })}
    </>
  );
}

/** More levels than anything has that people wrote. What has many times more can be read from JSON, and not be printed again. */
export const MOST_LEVELS = 1000;

/** Looks at no more levels than that. */
export function isDeeper(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= most; depth++) {
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
    if (level.length === 0) return false;
  }
  return true;
}
