import { parser } from "@prometheus-io/lezer-promql";
import type { ScrapedMetric } from "./metrics.js";

/** Labels that Prometheus itself gives to all it scrapes, and the metric that it makes of each scrape. */
const OWN_LABELS = ["job", "instance"];
const OWN_METRIC: ScrapedMetric = { type: "gauge", labels: new Map(), samples: 1 };

/** What is wrong with a query that is asked of what was scraped: its syntax, or a metric, label or value that isn't there. */
export function problemsOf(query: string, scraped: ReadonlyMap<string, ScrapedMetric>): string[] {
  const problems: string[] = [];
  const asked = new Map<string, ScrapedMetric>();
  const grouped: string[] = [];
  const text = (node: { from: number; to: number }) => query.slice(node.from, node.to);
  parser.parse(query).iterate({
    enter(ref) {
      const { node, type } = ref;
      if (type.isError) problems.push(`syntax at ${node.from}`);
      if (type.name === "GroupingLabels")
        for (const one of node.getChildren("LabelName")) grouped.push(text(one));
      if (type.name !== "VectorSelector") return;
      const name = node.getChild("Identifier");
      const metric = name && (text(name) === "up" ? OWN_METRIC : scraped.get(text(name)));
      if (!name || !metric) {
        problems.push(`no metric ${text(name ?? node)}`);
        return;
      }
      if (metric.samples === 0) problems.push(`${text(name)} has no samples`);
      asked.set(text(name), metric);
      for (const matcher of node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? []) {
        const [, label = "", operator = "", value = ""] =
          /^\s*(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(text(matcher)) ?? [];
        const values = metric.labels.get(label);
        if (OWN_LABELS.includes(label)) continue;
        if (!values) problems.push(`${text(name)} has no label ${label}`);
        else if (/^!?=$/.test(operator) && !values.has(value))
          problems.push(`${text(name)} has no ${label} "${value}"`);
      }
    },
  });
  if (asked.size === 0) problems.push("asks for nothing");
  for (const label of grouped) {
    if (OWN_LABELS.includes(label) || [...asked.values()].some(({ labels }) => labels.has(label))) continue;
    problems.push(`nothing that is asked for has the label ${label}`);
  }
  return problems;
}
