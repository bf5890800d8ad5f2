/** The SQLSTATE of a failure, or the driver's or the socket's own code; empty if it has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

/**
 * Whether a failure is the database's and not the statement's: gone, refusing, full, or asking to be asked again.
 * The same request may well succeed in a moment.
 */
export function isDatabaseTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (TROUBLE.test(codeOf(error))) return true;
  return isDatabaseTrouble(error.cause);
}

/** Whether a statement was ended because another session held a lock for longer than was waited. */
export const isLockTimeout = (error: unknown): boolean => codeOf(error) === "55P03";

/** Whether a server that can only be read, such as a standby, refused to write. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === "25006";

// The client's own codes, the socket's, and SQLSTATEs: connection (08), serialization and deadlock (40), resources (53),
// intervention such as shutdown and timeouts (57), I/O (58), locks (55P03), sessions ended while idle (25P0x), and a
// primary that became a standby (25006).
const TROUBLE = new RegExp(
  [
    "^(CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|POOL_BUSY|TARGET_SESSION_ATTRS",
    "ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT",
    "(08|40|53|57|58)...|55P03|25P0.|25006)$",
  ].join("|"),
);
