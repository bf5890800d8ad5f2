-- Organizations by size.
select o.id, o.name, count(u.id) as members,
  count(u.id) filter (where u.last_active_at >= date_trunc('day', now(), 'UTC') - interval '30 days') as active_30_days
from mirror.organizations o
left join mirror.organization_memberships m on m.organization_id = o.id
left join mirror.users u on u.id = m.user_id
group by o.id, o.name
order by members desc
limit 50;
