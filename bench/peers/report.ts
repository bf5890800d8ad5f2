import type { EventKind } from "../http/requests.js";
import { type Goal, type Line, median, milliseconds, type Section } from "../report/table.js";
import { GUIDE, MIRROR, SUPABASES } from "./contestants.js";
import type { Result, State } from "./measure.js";

/** The medians of a contestant's rounds. */
interface PeerLine extends Line {
  contestant: string;
  kind: EventKind;
  state: State;
  serverUs: number | null;
  postgresUs: number | null;
  walBytes: number;
}

const KINDS = { identity: "A name changed", activity: "Only activity changed" } as const;
const STATES = { between: "between checkpoints", fresh: "right after a checkpoint" } as const;

/** Of `User Mirror`; ratios are its rate to another's. */
const GOALS: readonly {
  kind: EventKind;
  state: State;
  times?: readonly { of: string; goal: number }[];
  p99Ms?: number;
  serverUs?: number;
  walBytes: number;
}[] = [
  {
    ...{ kind: "identity", state: "between", p99Ms: 80, serverUs: 400, walBytes: 4000 },
    times: [
      { of: GUIDE, goal: 2 },
      { of: SUPABASES, goal: 1.25 },
    ],
  },
  {
    ...{ kind: "activity", state: "between", p99Ms: 60, serverUs: 250, walBytes: 1000 },
    times: [{ of: GUIDE, goal: 2.5 }],
  },
  { kind: "identity", state: "fresh", walBytes: 12_000 },
];

/** One per contestant, kind of event and state. */
export function peerLines(results: readonly Result[]): PeerLine[] {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    const key = `${result.contestant} ${result.kind} ${result.state}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  const lines = [...groups.values()].map((rounds): PeerLine => {
    const [{ contestant, kind, state }] = rounds as [Result];
    const of = (pick: (result: Result) => number) => median(rounds.map(pick));
    const known = (pick: (result: Result) => number | null) =>
      rounds.some((result) => pick(result) === null) ? null : of((result) => pick(result) ?? 0);
    return {
      ...{ contestant, kind, state, what: `${contestant}: ${KINDS[kind].toLowerCase()}, ${STATES[state]}` },
      ...{ unit: "/s", median: of(({ perSecond }) => perSecond), p99Ms: of(({ p99Ms }) => p99Ms) },
      ...{ reference: null, ratio: null, goals: [] },
      serverUs: known(({ serverUs }) => serverUs),
      postgresUs: known(({ postgresUs }) => postgresUs),
      walBytes: of(({ walBytes }) => walBytes),
    };
  });
  return lines.map((line) => ({ ...line, goals: line.contestant === MIRROR ? goalsOf(line, lines) : [] }));
}

function goalsOf(own: PeerLine, lines: readonly PeerLine[]): Goal[] {
  const goals = GOALS.find(({ kind, state }) => kind === own.kind && state === own.state);
  if (!goals) return [];
  const atMost = (what: string, is: number | null, most: number | undefined, print: (n: number) => string) =>
    is === null || most === undefined
      ? []
      : [{ text: `${what} ≤ ${print(most)} (is ${print(is)})`, met: is <= most }];
  return [
    ...(goals.times ?? []).flatMap(({ of, goal }) => {
      const other = lines.find(
        ({ contestant, kind, state }) => contestant === of && kind === own.kind && state === own.state,
      );
      const ratio = own.median / (other?.median ?? Number.NaN);
      return [{ text: `≥ ${goal} × ${of} (is ${ratio.toFixed(2)})`, met: ratio >= goal }];
    }),
    ...atMost("p99", own.p99Ms, goals.p99Ms, (ms) => `${milliseconds(ms)} ms`),
    ...atMost("CPU of the server", own.serverUs, goals.serverUs, microseconds),
    ...atMost("WAL", own.walBytes, goals.walBytes, kilobytes),
  ];
}

const HEAD = [
  "",
  "events a second",
  "User Mirror's to it",
  "p99",
  "CPU of the server",
  "CPU of Postgres",
  "WAL",
];

export function peerSections(lines: readonly PeerLine[], notes: string[]): Section[] {
  const tables = (["identity", "activity"] as const).flatMap((kind) =>
    (["between", "fresh"] as const).map((state): Section => {
      const own = lines.filter((line) => line.kind === kind && line.state === state);
      const mirror = own.find(({ contestant }) => contestant === MIRROR);
      return {
        ...{ title: `${KINDS[kind]}, ${STATES[state]}`, notes: [], head: HEAD },
        rows: own.map((line) => cells(line, mirror?.median ?? Number.NaN)),
      };
    }),
  );
  const goals: Section = {
    ...{ title: "Goals of User Mirror", notes: [], head: ["", "goal", "met"] },
    rows: [...lines]
      .sort((a, b) => a.state.localeCompare(b.state))
      .flatMap(({ kind, state, goals }) =>
        goals.map(({ text, met }) => [`${KINDS[kind]}, ${STATES[state]}`, text, met ? "yes" : "no"]),
      ),
  };
  const [first, ...others] = [...tables.filter(({ rows }) => rows.length > 0), goals];
  return [{ ...first, notes } as Section, ...others];
}

function cells(line: PeerLine, mirror: number): string[] {
  return [
    line.contestant,
    Math.round(line.median).toLocaleString("en"),
    line.contestant === MIRROR ? "" : `${(mirror / line.median).toFixed(2)} ×`,
    `${milliseconds(line.p99Ms ?? 0)} ms`,
    line.serverUs === null ? "" : microseconds(line.serverUs),
    line.postgresUs === null ? "" : microseconds(line.postgresUs),
    kilobytes(line.walBytes),
  ];
}

const microseconds = (us: number) => `${Math.round(us).toLocaleString("en")} µs`;
const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} KB`;
