import { BASE } from "../assets/base.js";
import { count, Figure, Figures, Panel } from "../parts/basics.js";
import { Chart } from "../parts/chart.js";
import { visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";

export const overviewPage: Page = {
  ...{ path: "", title: "Overview", letter: "o", scope: "users:read" },
  mount: (routes, show) =>
    routes.get(`${BASE}/`, async (c) => {
      const { api } = visitOf(c);
      const [users, signUps] = await Promise.all([
        api.get<{ total_count: number }>("/v1/users/count"),
        api.send<{ data: { keys: [string]; count: number }[] }>("POST", "/mirror/users/aggregate", {
          filter: { created_at: { gte: "now-30d" } },
          group_by: [{ field: "created_at", bucket: "day", time_zone: "UTC" }],
        }),
      ]);
      const days = signUps.isOk ? signUps.body.data : [];
      return show(c, {
        title: "Overview",
        content: (
          <>
            <Figures>
              <Figure name="Users">{users.isOk ? count(users.body.total_count) : "–"}</Figure>
            </Figures>
            <Panel title="Sign-ups, 30 days">
              <Chart
                title="Users created each day"
                keys={days.map(({ keys }) => keys[0])}
                series={[{ name: "sign-ups", values: days.map((day) => day.count) }]}
              />
            </Panel>
          </>
        ),
      });
    }),
};
