-- Active users a week, of those who still exist.
select date_trunc('week', day)::date as week, count(distinct user_id) as active
from mirror.user_activity_days
where day >= date_trunc('week', now()) - interval '4 weeks'
group by week
order by week;
