/** How long a day of UTC is. */
export const DAY_MS = 86_400_000;
