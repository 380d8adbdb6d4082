-- Imported energy per meter and local day; minutes say how much of it is there, priced and factored
select
    site_id,
    meter_id,
    local_date,
    cast(sum(energy_kwh) as decimal(38, 9)) as energy_kwh,
    cast(sum(interval_minutes) as bigint) as covered_minutes,
    cast(sum(case when is_estimated then interval_minutes else 0 end) as bigint) as estimated_minutes,
    cast(sum(case when cost is null then interval_minutes else 0 end) as bigint) as unpriced_minutes,
    cast(sum(case when emission_kgco2e is null then interval_minutes else 0 end) as bigint) as unfactored_minutes,
    cast(sum(cost) as decimal(38, 15)) as cost,
    cast(sum(emission_kgco2e) as decimal(38, 15)) as emission_kgco2e,
    max(source_minutes) as max_source_minutes,
    bool_or(is_synthetic) as is_synthetic,
    max(recorded_at_utc) as last_recorded_at_utc
from {{ ref('int_meter__quarter_hour_energy') }}
group by site_id, meter_id, local_date
