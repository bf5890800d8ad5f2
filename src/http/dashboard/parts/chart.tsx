/** A series of numbers over time, or over whatever else the keys say. */
export interface Series {
  name: string;
  values: readonly (number | null)[];
}

export interface ChartProps {
  title: string;
  /** What stands below, one for each value: `2026-11-01`. */
  keys: readonly string[];
  series: readonly Series[];
  height?: number;
}

const WIDTH = 640;

/**
 * A chart that is whole without a script, as a picture and as a table for those who can't see it; the script draws it again with
 * `uPlot`, which shows the values under the pointer.
 */
export function Chart({ title, keys, series, height = 160 }: ChartProps) {
  const most = Math.max(1, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const x = (n: number) => (keys.length < 2 ? WIDTH / 2 : (n * WIDTH) / (keys.length - 1));
  const y = (value: number) => Math.round((height - 4 - (value / most) * (height - 12)) * 10) / 10;
  return (
    <figure class="chart" data-chart={JSON.stringify({ keys, series })}>
      <figcaption>{title}</figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={title}
        height={height}
      >
        {series.map(({ values }, n) => (
          <path
            class={`line line-${n + 1}`}
            d={pathOf(values, x, y)}
            fill="none"
            vector-effect="non-scaling-stroke"
          />
        ))}
      </svg>
      <details>
        <summary>As a table</summary>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">from</th>
                {series.map(({ name }) => (
                  <th scope="col">{name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {keys.map((key, n) => (
                <tr>
                  <th scope="row">{key}</th>
                  {series.map(({ values }) => (
                    <td class="number">{values[n] ?? "–"}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

/** Broken where a value is unknown. */
function pathOf(
  values: readonly (number | null)[],
  x: (n: number) => number,
  y: (value: number) => number,
): string {
  let path = "";
  let isDrawing = false;
  for (const [n, value] of values.entries()) {
    if (value !== null) path += `${isDrawing ? "L" : "M"}${Math.round(x(n) * 10) / 10} ${y(value)}`;
    isDrawing = value !== null;
  }
  return path;
}
