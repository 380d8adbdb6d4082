-- Current imported energy per meter and quarter hour of the windows, exact, with what it cost and emitted where that is known
select
    readings.site_id,
    readings.meter_id,
    meters.carrier,
    readings.interval_start_utc,
    calendar.local_date,
    {{ exact_amount('readings.value') }} as energy_kwh,
    readings.interval_minutes,
    readings.source_minutes,
    readings.quality_code in (8, 9) as is_estimated,
    readings.is_synthetic,
    readings.recorded_at_utc,
    -- Widened first: the product of two narrow decimals overflows in DuckDB.
    cast(
        case
            when meters.carrier = 'electricity'
                then cast({{ exact_amount('readings.value') }} as decimal(38, 9)) * calendar.price_per_kwh
        end
        as decimal(38, 15)
    ) as cost,
    cast(
        case
            when meters.carrier = 'electricity'
                then cast({{ exact_amount('readings.value') }} as decimal(38, 9)) * calendar.electricity_kgco2e_per_kwh
        end
        as decimal(38, 15)
    ) as emission_kgco2e
from {{ ref('stg_lake__15min_readings') }} as readings
inner join {{ ref('stg_lake__meters') }} as meters
    on readings.site_id = meters.site_id and readings.meter_id = meters.meter_id
left join {{ ref('stg_lake__quarter_hours') }} as calendar
    on readings.site_id = calendar.site_id and readings.interval_start_utc = calendar.interval_start_utc
where readings.is_current and readings.register = 'import' and readings.unit = 'kwh'
