-- The domains with most users.
select email_domain, count(*) as users, count(*) filter (where last_active_at >= date_trunc('day', now(), 'UTC') - interval '30 days') as active_30_days
from mirror.users
where email_domain is not null
group by email_domain
order by users desc
limit 50;
