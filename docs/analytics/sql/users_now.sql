-- Users, and those who were here lately.
select
  count(*) as users,
  count(*) filter (where last_active_at >= date_trunc('day', now(), 'UTC') - interval '1 day') as active_1_day,
  count(*) filter (where last_active_at >= date_trunc('day', now(), 'UTC') - interval '7 days') as active_7_days,
  count(*) filter (where last_active_at >= date_trunc('day', now(), 'UTC') - interval '30 days') as active_30_days,
  count(*) filter (where banned) as banned
from mirror.users;
