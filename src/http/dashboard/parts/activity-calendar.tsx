import type { Calendar } from "../model/calendar.js";

const [CELL, LEFT, TOP] = [13, 30, 16];
const WEEKDAYS = ["Mon", "", "Wed", "", "Fri", "", ""];

/** The days on which a user was active, a week a column. */
export function ActivityCalendar({ calendar }: { calendar: Calendar }) {
  const days = calendar.flat().filter(({ isActive }) => isActive === true);
  const width = LEFT + calendar.length * CELL;
  const height = TOP + 7 * CELL;
  const title = `Active on ${days.length} of the last ${calendar.length * 7} days`;
  return (
    <figure class="calendar">
      <figcaption>{title} (UTC)</figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={title}>
        {WEEKDAYS.map((name, n) => (
          <text x="0" y={TOP + n * CELL + 9}>
            {name}
          </text>
        ))}
        {monthsOf(calendar).map(({ week, name }) => (
          <text x={LEFT + week * CELL} y="10">
            {name}
          </text>
        ))}
        {calendar.map((week, n) =>
          week.map(({ day, isActive }, weekday) => (
            <rect
              class={isActive === null ? "day unknown" : isActive ? "day active" : "day"}
              x={LEFT + n * CELL}
              y={TOP + weekday * CELL}
              width={CELL - 3}
              height={CELL - 3}
              rx="2"
            >
              <title>
                {day}
                {isActive === null ? "" : isActive ? ": active" : ": not active"}
              </title>
            </rect>
          )),
        )}
      </svg>
      {days.length > 0 && (
        <details>
          <summary>As a list</summary>
          <p class="mono">{days.map(({ day }) => day).join(", ")}</p>
        </details>
      )}
    </figure>
  );
}

/** Above the first week of each month, where there is room for its name. */
function monthsOf(calendar: Calendar): { week: number; name: string }[] {
  const months = calendar.map((week) => week[0]?.day.slice(0, 7) ?? "");
  return months.flatMap((month, week) =>
    week > 0 && month !== months[week - 1] && week < months.length - 1
      ? [
          {
            week,
            name: new Date(`${month}-15T00:00:00Z`).toLocaleString("en", { month: "short", timeZone: "UTC" }),
          },
        ]
      : [],
  );
}
