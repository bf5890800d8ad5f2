import type { ListedOrganization, Member, OrganizationDetail, Placed } from "../../../query/organizations.js";
import { BASE } from "../assets/base.js";
import { nameOf } from "../model/clerk-user.js";
import { growthOf } from "../model/growth.js";
import { count, Empty, Figure, Figures, Notice, OfNumbers, Panel, Table, Time } from "../parts/basics.js";
import { Chart } from "../parts/chart.js";
import { JsonView } from "../parts/json-view.js";
import { organizationPath, userPath } from "../parts/links.js";
import { SearchBox } from "../parts/search-box.js";
import { type Answer, statusOf } from "../visit/api.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";

/** Organizations, who belongs to them in which role, and how they grew. */
export const organizationsPage: Page = {
  ...{ path: "organizations", title: "Organizations", letter: "g", scope: "users:read" },
  mount: (routes, show) =>
    routes
      .get(`${BASE}/organizations`, async (c) => {
        const visit = visitOf(c);
        const found = await visit.api.get<Placed<ListedOrganization>>(
          `/mirror/organizations?${asked(visit.query)}`,
        );
        return show(c, {
          title: "Organizations",
          status: found.isOk ? 200 : statusOf(found),
          content: <Organizations visit={visit} found={found} />,
        });
      })
      .get(`${BASE}/organizations/:id`, async (c) => {
        const visit = visitOf(c);
        const id = c.req.param("id");
        const path = `/mirror/organizations/${encodeURIComponent(id)}`;
        const [organization, members] = await Promise.all([
          visit.api.get<OrganizationDetail>(path),
          visit.api.get<Placed<Member>>(`${path}/members?${asked(visit.query)}`),
        ]);
        if (!organization.isOk) {
          const content = (
            <>
              <Notice tone="warn">{organization.problem}</Notice>
              <p>
                All <a href={visit.link("organizations")}>organizations</a>
              </p>
            </>
          );
          return show(c, { title: `Organization ${id}`, status: statusOf(organization), content });
        }
        const content = <Organization visit={visit} organization={organization.body} members={members} />;
        return show(c, { title: organization.body.name || id, content });
      }),
};

/** What a list is asked for by its address. */
function asked(query: URLSearchParams): URLSearchParams {
  const cursor = query.get("cursor");
  return new URLSearchParams({ query: query.get("q") ?? "", ...(cursor ? { cursor } : {}) });
}

function Organizations({ visit, found }: { visit: Visit; found: Answer<Placed<ListedOrganization>> }) {
  const search = visit.query.get("q") ?? "";
  return (
    <>
      <SearchBox
        visit={visit}
        path="organizations"
        label="Search organizations"
        placeholder="Name, slug, id …"
      />
      <div id="results" aria-live="polite">
        <div class="panel">
          {!found.isOk ? (
            <Notice tone="bad">{found.problem}</Notice>
          ) : found.body.data.length === 0 && found.body.next_cursor === null ? (
            search === "" ? (
              <Empty title="There are no organizations yet">
                They appear here with the first one that is made at Clerk, where organizations are switched
                on.
              </Empty>
            ) : (
              <Empty title="No organization matches">
                <a href={visit.link("organizations")}>Show all</a>, or search for less.
              </Empty>
            )
          ) : (
            <Table
              caption="Organizations"
              head={["organization", "slug", <OfNumbers>members</OfNumbers>, "created"]}
            >
              {found.body.data.map(({ id, name, slug, members, created_at }) => (
                <tr>
                  <td>
                    <a href={visit.link(organizationPath(id))} title={id}>
                      {name || id}
                    </a>
                  </td>
                  <td class="quiet">{slug}</td>
                  <td class="number">{count(members)}</td>
                  <td>
                    <Time at={created_at} nowMs={visit.nowMs} />
                  </td>
                </tr>
              ))}
            </Table>
          )}
          {found.isOk && <Pager visit={visit} path="organizations" next={found.body.next_cursor} />}
        </div>
      </div>
    </>
  );
}

function Pager({ visit, path, next }: { visit: Visit; path: string; next: string | null }) {
  const q = visit.query.get("q") ?? "";
  return (
    <nav class="row pager" aria-label="Pages of this list">
      {visit.query.get("cursor") && (
        <a class="button" href={visit.link(path, { q })}>
          First page
        </a>
      )}
      {next !== null && (
        <a class="button" rel="next" href={visit.link(path, { q, cursor: next })}>
          Next page
        </a>
      )}
    </nav>
  );
}

interface OrganizationProps {
  visit: Visit;
  organization: OrganizationDetail;
  members: Answer<Placed<Member>>;
}

function Organization({ visit, organization, members }: OrganizationProps) {
  const { nowMs } = visit;
  const { id, slug, created_at, roles, joined, public_metadata } = organization;
  const growth = growthOf(joined, nowMs);
  const filter = JSON.stringify({ membership: { organization_id: id } });
  const hasMetadata =
    typeof public_metadata === "object" &&
    public_metadata !== null &&
    Object.keys(public_metadata).length > 0;
  return (
    <>
      <Figures>
        <Figure name="Members">{count(organization.members)}</Figure>
        {roles.slice(0, 6).map(({ role, count: n }) => (
          <Figure name={role ?? "no role"}>{count(n)}</Figure>
        ))}
        <Figure name="Created">
          <Time at={created_at} nowMs={nowMs} />
        </Figure>
      </Figures>
      <p class="quiet">
        <code>{id}</code> {slug} ·{" "}
        <a href={visit.link("users", { filter })}>its members as a list of users</a>
      </p>
      <Panel title="Growth">
        {growth.keys.length < 2 ? (
          <Empty title="Nobody has joined yet">Members appear here as they join.</Empty>
        ) : (
          <Chart
            title="Today's members, by the day on which they joined"
            keys={growth.keys}
            series={[{ name: "members", values: growth.totals }]}
          />
        )}
      </Panel>
      <SearchBox
        visit={visit}
        path={organizationPath(id)}
        label="Search members"
        placeholder="Name, address, role …"
      />
      <div id="results" aria-live="polite">
        <Panel title="Members">
          <Members visit={visit} members={members} />
          {members.isOk && (
            <Pager visit={visit} path={organizationPath(id)} next={members.body.next_cursor} />
          )}
        </Panel>
      </div>
      {hasMetadata && (
        <Panel title="Public metadata">
          <JsonView name="Public metadata" value={public_metadata} />
        </Panel>
      )}
    </>
  );
}

function Members({ visit, members }: { visit: Visit; members: Answer<Placed<Member>> }) {
  if (!members.isOk) return <Notice tone="bad">{members.problem}</Notice>;
  const { data } = members.body;
  if (data.length === 0) {
    return <Empty title="Nobody">Search for less, or wait for somebody to join.</Empty>;
  }
  return (
    <Table caption="Each member" head={["user", "e-mail", "role", "joined"]}>
      {data.map((member) => (
        <tr>
          <td>
            <a href={visit.link(userPath(member.user_id))} title={member.user_id}>
              {nameOf({ ...member, id: member.user_id })}
            </a>
          </td>
          <td>{member.email_address}</td>
          <td>{member.role}</td>
          <td>
            <Time at={member.created_at} nowMs={visit.nowMs} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
