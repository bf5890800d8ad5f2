-- Deletions a week for a year.
select date_trunc('week', deleted_at) as week, count(*) as deleted
from mirror.deleted_users
where deleted_at >= date_trunc('week', now()) - interval '52 weeks'
group by week
order by week;
