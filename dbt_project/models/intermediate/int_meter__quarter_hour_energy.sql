-- Imported energy per meter and quarter hour of the windows by name, with what it cost and emitted where that is known
select
    meters.site_id,
    meters.meter_id,
    meters.carrier,
    energy.interval_start_utc,
    energy.local_date,
    energy.energy_kwh,
    energy.interval_minutes,
    energy.source_minutes,
    energy.is_estimated,
    energy.is_synthetic,
    energy.recorded_at_utc,
    -- Widened first: the product of two narrow decimals overflows in DuckDB.
    cast(cast(energy.energy_kwh as decimal(38, 9)) * energy.price_per_kwh as decimal(38, 15)) as cost,
    cast(cast(energy.energy_kwh as decimal(38, 9)) * energy.kgco2e_per_kwh as decimal(38, 15)) as emission_kgco2e
from {{ ref('int_meter__quarter_hours') }} as energy
inner join {{ ref('int_meter__numbers') }} as meters on energy.meter_number = meters.meter_number
