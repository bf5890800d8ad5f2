/** How long a day of UTC is. */
export const DAY_MS = 86_400_000;

/** The UTC day of a moment, as people write it: `2026-11-29`. */
export const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The UTC day of a moment, as days since 1970. What is before that is nobody's real time. */
export const dayOf = (ms: number): number => Math.max(0, Math.floor(ms / DAY_MS));
