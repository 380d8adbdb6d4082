-- Each quarter hour of a site's supply in the months of its readings: energy, cost, emission, demand so far
with spans as (
    select site_id, min(local_date) as first_date, max(local_date) as last_date
    from {{ ref('int_meter__day_energy') }}
    group by site_id
),
rows_of_months as (
    select
        costs.*,
        calendar.local_date,
        cast({{ dbt.date_trunc('month', 'calendar.local_date') }} as date) as month_start
    from {{ ref('stg_lake__interval_cost') }} as costs
    inner join {{ ref('stg_lake__quarter_hours') }} as calendar
        on costs.site_id = calendar.site_id and costs.interval_start_utc = calendar.interval_start_utc
)
select
    running.site_id,
    running.local_date,
    running.interval_start_utc,
    running.month_start,
    running.bill_start,
    running.is_present,
    running.import_kwh,
    running.export_kwh,
    running.energy_cost,
    running.other_cost,
    cast(running.energy_cost + running.other_cost as decimal(18, 9)) as cost,
    -- Widened first: the product of two narrow decimals overflows in DuckDB.
    cast(cast(running.import_kwh as decimal(38, 9)) * running.kgco2e_per_kwh as decimal(38, 15)) as emission_kgco2e,
    running.is_hourly_factor,
    running.window_minutes,
    running.demand_charge,
    running.block_minutes,
    {{ nano_double('cast(running.block_kwh as decimal(38, 9))') }} / 1000000000 * 60 / running.block_minutes as block_demand_kw,
    running.cost_finding,
    sites.currency
from rows_of_months as running
inner join spans on running.site_id = spans.site_id
inner join {{ ref('stg_lake__sites') }} as sites on running.site_id = sites.site_id
where
    running.month_start <= spans.last_date
    and {{ after('month', 'running.month_start') }} > spans.first_date
