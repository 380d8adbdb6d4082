-- The calendar of every site: each quarter hour with its local day, day type and price of electricity
select site_id, interval_start_utc, local_date, day_type, price_per_kwh
from {{ source('lake', 'site_quarter_hours') }}
