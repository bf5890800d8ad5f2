/**
 * Those whose id meets a condition about `i.id`, which an index has to know. The ids are gathered first: so one plan can join
 * what their index finds to what another finds in the text.
 */
export const foundById = (condition: string) =>
  `s.id = any(array(select i.id from mirror_data.user_ids i where ${condition}))`;
