import { count, Empty, OfNumbers, Table } from "./basics.js";

/** As `POST /mirror/users/retention` has it. */
export interface ShownCohort {
  cohort: string;
  users: number;
  active: (number | null)[];
}

/** Of those who came in a week, how many were there in each week after it. The deeper the colour, the more. */
export function Cohorts({ cohorts }: { cohorts: readonly ShownCohort[] }) {
  const rows = cohorts.filter(({ users }) => users > 0);
  if (rows.length === 0)
    return <Empty title="Nobody signed up in these weeks">A longer history has more.</Empty>;
  const periods = Math.max(...rows.map(({ active }) => active.length));
  return (
    <Table
      caption="Retention by week of sign-up"
      head={[
        "week of",
        ...["users", ...Array.from({ length: periods }, (_, n) => `+${n}`)].map((name) => (
          <OfNumbers>{name}</OfNumbers>
        )),
      ]}
    >
      {rows.map(({ cohort, users, active }) => (
        <tr>
          <th scope="row">{cohort}</th>
          <td class="number">{count(users)}</td>
          {Array.from({ length: periods }, (_, n) => {
            const value = active[n];
            if (value === null || value === undefined) return <td />;
            const percent = Math.round((value / users) * 100);
            return (
              <td
                class={`number share-${Math.round(percent / 10)}`}
                title={`${count(value)} of ${count(users)}`}
              >
                {percent} %
              </td>
            );
          })}
        </tr>
      ))}
    </Table>
  );
}
