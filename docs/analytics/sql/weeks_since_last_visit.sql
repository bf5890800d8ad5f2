-- How long ago people were here last, in weeks.
select width_bucket(extract(epoch from now() - last_active_at) / 86400, 0, 182, 26) - 1 as weeks_ago, count(*) as users
from mirror.users
where last_active_at >= date_trunc('day', now(), 'UTC') - interval '182 days'
group by weeks_ago
order by weeks_ago;
