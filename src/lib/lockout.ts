/** `locked_until` of a lock that never ends by itself. */
export const LOCKED_FOR_EVER = Number.MAX_SAFE_INTEGER;
