/** What a scrape tells of a metric: its type, and the values that each of its labels has. */
export interface ScrapedMetric {
  type: string;
  labels: Map<string, Set<string>>;
  samples: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** Reads the text format of Prometheus. Throws where a line isn't one. Parts of histograms are metrics of their own here. */
export function readScrape(text: string): Map<string, ScrapedMetric> {
  const metrics = new Map<string, ScrapedMetric>();
  const metricNamed = (name: string, type: string) => {
    const known = metrics.get(name) ?? { type, labels: new Map(), samples: 0 };
    metrics.set(name, known);
    return known;
  };
  let type = "";
  for (const line of text.split("\n")) {
    const declared = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (declared?.[1]) {
      type = String(declared[2]);
      const parts = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      for (const part of parts) metricNamed(`${declared[1]}${part}`, type);
    } else if (line !== "" && !line.startsWith("# HELP ")) {
      const [, name, labels = "", value] = SAMPLE.exec(line) ?? [];
      if (name === undefined || !isNumber(String(value))) throw new Error(`not a sample: ${line}`);
      const metric = metricNamed(name, type);
      metric.samples++;
      for (const [key, text] of labelsOf(labels)) {
        const values = metric.labels.get(key) ?? new Set();
        metric.labels.set(key, values.add(text));
      }
    }
  }
  return metrics;
}

const isNumber = (text: string) => text === "Nan" || !Number.isNaN(Number(text.replace("+Inf", "Infinity")));

function labelsOf(text: string): [string, string][] {
  const found: [string, string][] = [];
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, key, value] = LABEL.exec(text) ?? [];
    if (key === undefined || value === undefined) throw new Error(`not labels: ${text}`);
    found.push([key, value]);
  }
  return found;
}
