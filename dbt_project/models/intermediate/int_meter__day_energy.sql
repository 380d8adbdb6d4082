-- Imported energy per meter and local day; minutes say how much of it is there, priced and factored
with days as (
    select
        meter_number,
        local_date,
        sum(energy_kwh) as energy_kwh,
        sum(readings) as readings,
        sum(estimated_readings) as estimated_readings,
        sum(priced_readings) as priced_readings,
        sum(cost) as cost,
        sum(emission_kgco2e) as emission_kgco2e,
        max(max_source_minutes) as max_source_minutes,
        bool_or(is_synthetic) as is_synthetic,
        max(last_recorded_at_utc) as last_recorded_at_utc
    from {{ ref('int_meter__hours') }}
    group by meter_number, local_date
)
select
    meters.site_id,
    meters.meter_id,
    days.local_date,
    cast(days.energy_kwh as decimal(38, 9)) as energy_kwh,
    cast(days.readings * 15 as bigint) as covered_minutes,
    cast(days.estimated_readings * 15 as bigint) as estimated_minutes,
    cast((days.readings - days.priced_readings) * 15 as bigint) as unpriced_minutes,
    cast(case when days.emission_kgco2e is null then days.readings * 15 else 0 end as bigint) as unfactored_minutes,
    cast(days.cost as decimal(38, 15)) as cost,
    cast(days.emission_kgco2e as decimal(38, 15)) as emission_kgco2e,
    days.max_source_minutes,
    days.is_synthetic,
    days.last_recorded_at_utc
from days
inner join {{ ref('int_meter__numbers') }} as meters on days.meter_number = meters.meter_number
