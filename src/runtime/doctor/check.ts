import { AppError, reasonOf } from "../../lib/errors.js";

/** What a check found. `skipped`: it doesn't apply here, or an earlier one must be well first. */
export interface Finding {
  name: string;
  status: "ok" | "failed" | "skipped";
  message: string;
  /** What to do about it. */
  fix?: string;
}

export type Found = Omit<Finding, "name">;

export const ok = (message: string): Found => ({ status: "ok", message });
export const skipped = (message: string): Found => ({ status: "skipped", message });
export const failed = (message: string, fix: string): Found => ({ status: "failed", message, fix });

const LIMIT_MS = 10_000;

/** Runs one check. It has ended by its deadline, whatever hangs; what it throws is a failure too. */
export async function check(
  name: string,
  work: (signal: AbortSignal) => Promise<Found> | Found,
  { limitMs = LIMIT_MS, fix = "Do what it says." }: { limitMs?: number; fix?: string } = {},
): Promise<Finding> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<Found>((resolve) => {
    timer = setTimeout(() => {
      late.abort();
      resolve(failed(`no answer within ${limitMs / 1000} s`, fix));
    }, limitMs);
  });
  try {
    return { name, ...(await Promise.race([working(work, late.signal, fix), deadline])) };
  } finally {
    clearTimeout(timer);
  }
}

async function working(
  work: (signal: AbortSignal) => Promise<Found> | Found,
  signal: AbortSignal,
  fix: string,
): Promise<Found> {
  try {
    return await work(signal);
  } catch (error) {
    const { longMessage } = error instanceof AppError ? error : {};
    return failed(error instanceof AppError ? error.message : reasonOf(error), longMessage ?? fix);
  }
}
