-- The supply of a site per local day; a day is complete where every quarter hour was read
select
    site_id,
    local_date,
    min(month_start) as month_start,
    bool_and(is_present) as is_complete,
    cast(sum(import_kwh) as decimal(38, 9)) as import_kwh,
    -- A part of a day's cost or emission is not the day's.
    cast(case when count(cost) = count(*) then sum(cost) end as decimal(38, 9)) as cost,
    cast(
        case when count(emission_kgco2e) = count(import_kwh) then sum(emission_kgco2e) end as decimal(38, 15)
    ) as emission_kgco2e,
    max(case when block_minutes = window_minutes then block_demand_kw end) as peak_kw
from {{ ref('int_site__quarter_hour_running') }}
group by site_id, local_date
