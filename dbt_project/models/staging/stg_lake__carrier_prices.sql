-- What gas, heat and water cost by the quarter hour; those without a price are not there
select site_id, carrier, interval_start_utc, price_per_unit
from {{ source('lake', 'carrier_prices') }}
