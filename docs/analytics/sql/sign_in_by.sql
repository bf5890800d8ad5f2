-- By which accounts people sign in, and how many have a password or a second factor.
select provider, count(distinct user_id) as users from mirror.external_accounts group by provider
union all
select 'password', count(*) from mirror.users where password_enabled
union all
select 'second factor', count(*) from mirror.users where two_factor_enabled
order by users desc;
