-- The running figures of a site's supply: each quarter hour, and its local month to date
select
    site_id,
    local_date,
    interval_start_utc,
    bill_start,
    is_present,
    import_kwh,
    export_kwh,
    energy_cost,
    other_cost,
    cost,
    emission_kgco2e,
    is_hourly_factor,
    window_minutes,
    demand_charge,
    block_minutes,
    block_demand_kw,
    cast(sum(import_kwh) over month_to_date as decimal(38, 9)) as month_import_kwh,
    cast(sum(coalesce(cost, other_cost)) over month_to_date as decimal(38, 9)) as month_cost,
    cast(sum(emission_kgco2e) over month_to_date as decimal(38, 15)) as month_emission_kgco2e,
    max(case when block_minutes = window_minutes then block_demand_kw end) over month_to_date as month_peak_kw,
    cast(sum(case when is_present then 15 else 0 end) over month_to_date as integer) as month_covered_minutes,
    cast(count(*) over month_to_date * 15 as integer) as month_elapsed_minutes,
    cast(sum(case when cost is null then 15 else 0 end) over month_to_date as integer) as month_uncosted_minutes,
    cast(
        sum(case when emission_kgco2e is null and import_kwh is not null then 15 else 0 end) over month_to_date
        as integer
    ) as month_unfactored_minutes,
    cost_finding,
    currency
from {{ ref('int_site__quarter_hour_running') }}
window month_to_date as (
    partition by site_id, month_start
    order by interval_start_utc
    rows between unbounded preceding and current row
)
