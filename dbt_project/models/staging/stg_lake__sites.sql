-- Sites as their files describe them
select site_id, time_zone, currency, floor_area_m2
from {{ source('lake', 'sites') }}
