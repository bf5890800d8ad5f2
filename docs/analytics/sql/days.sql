-- Each day of the last 90: how many users there were, who came, who left, and how many were active.
select day, users, created, deleted, active
from mirror.daily_users
where day > current_date - 90
order by day;
