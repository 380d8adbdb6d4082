-- What each quarter hour of a site's supply costs by its tariffs, and its demand window so far
select
    site_id,
    interval_start_utc,
    bill_start,
    is_present,
    import_kwh,
    export_kwh,
    energy_cost,
    other_cost,
    block_kwh,
    block_minutes,
    window_minutes,
    demand_charge,
    kgco2e_per_kwh,
    is_hourly_factor,
    cost_finding
from {{ source('lake', 'interval_cost') }}
