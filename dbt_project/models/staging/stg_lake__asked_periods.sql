-- Spans of local days, half-open, that KPIs are asked of in place of all days, months and years
select site_id, grain, first_date, after_date
from {{ source('lake', 'asked_periods') }}
