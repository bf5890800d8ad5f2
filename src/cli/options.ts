/** For an option with a list between commas: where it is there several times, all of them together are the list. */
export const listed = (text: string, before?: string): string =>
  before === undefined ? text : `${before},${text}`;
