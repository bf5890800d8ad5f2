import type { Run } from "../../../sync/ledger/runs.js";
import { Badge, type Tone } from "./basics.js";

const TONES: Readonly<Record<Run["state"], Tone>> = {
  ...{ queued: "quiet", running: "warn", succeeded: "good", failed: "bad", stopped: "warn" },
};

export const RunState = ({ state }: Pick<Run, "state">) => <Badge tone={TONES[state]}>{state}</Badge>;

/** A kind of run, or another name of the API's, as it is read: `dry run`. */
export const wordsOf = (name: string) => name.replaceAll("_", " ");
