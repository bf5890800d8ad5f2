-- Sign-ups a month by plan.
select date_trunc('month', created_at) as month, coalesce(public_metadata->>'plan', 'none') as plan, count(*) as sign_ups
from mirror.users
where created_at >= date_trunc('month', now()) - interval '12 months'
group by month, plan
order by month, plan;
