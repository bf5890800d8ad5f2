/** How long a day of UTC is. */
export const DAY_MS = 86_400_000;

/** The UTC day of a moment, as days since 1970. What is before that is nobody's real time. */
export const dayOf = (ms: number): number => Math.max(0, Math.floor(ms / DAY_MS));
