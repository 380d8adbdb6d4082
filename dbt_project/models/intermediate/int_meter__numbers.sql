-- A number for each meter of this build: the long tables carry it in place of two names
select
    site_id,
    meter_id,
    carrier,
    cast(row_number() over (order by site_id, meter_id) as integer) as meter_number
from {{ ref('stg_lake__meters') }}
