/** The `locked_until` of a user whose lock has no end. */
export const LOCKED_FOR_EVER = Number.MAX_SAFE_INTEGER;
