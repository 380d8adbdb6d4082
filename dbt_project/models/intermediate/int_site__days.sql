-- The local days of each site: 92, 96 or 100 quarter hours
select
    site_id,
    local_date,
    min(day_type) as day_type,
    cast(count(*) as integer) as quarter_hours,
    count(*) / cast(4 as double precision) as hours
from {{ ref('stg_lake__quarter_hours') }}
group by site_id, local_date
