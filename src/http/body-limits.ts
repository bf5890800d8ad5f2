/** How many bytes a request's body may have, by what it asks. */
export const BODY_BYTES = {
  /** Its parser holds each member to less, but a cursor names what its user has in every key of the order. */
  filter: 512 * 1024,
  /** A thousand of the longest addresses, with room for escapes. */
  lookup: 1024 * 1024,
  /** Twice what the largest filter has. */
  mcp: 128 * 1024,
  webhook: 1024 * 1024,
  /** A key that is wanted, or a run. */
  small: 64 * 1024,
} as const;
