/**
 * Those whose id meets a condition about `g.id`, which an index has to know. The ids are gathered first: so one plan can join
 * what their index finds to what another finds in the text.
 */
export const foundById = (condition: string) =>
  `s.id = any(array(select g.id from mirror_data.user_grams g where ${condition}))`;
