-- Sign-ups a week for a year, and the running total of that year.
select week, sign_ups, sum(sign_ups) over (order by week) as so_far
from (
  select date_trunc('week', created_at) as week, count(*) as sign_ups
  from mirror.users
  where created_at >= date_trunc('week', now()) - interval '52 weeks'
  group by week
) as weeks
order by week;
