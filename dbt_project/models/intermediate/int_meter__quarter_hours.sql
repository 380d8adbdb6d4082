-- Current imported energy per meter and quarter hour of the windows, exact, with the price and factor that hold for it
select
    meters.meter_number,
    readings.interval_start_utc,
    calendar.local_date,
    {{ exact_amount('readings.value') }} as energy_kwh,
    cast(case when meters.carrier = 'electricity' then calendar.price_per_kwh end as decimal(12, 6)) as price_per_kwh,
    cast(case when meters.carrier = 'electricity' then calendar.electricity_kgco2e_per_kwh end as decimal(12, 6)) as kgco2e_per_kwh,
    readings.interval_minutes,
    readings.source_minutes,
    readings.quality_code in (8, 9) as is_estimated,
    readings.is_synthetic,
    readings.recorded_at_utc
from {{ ref('stg_lake__15min_readings') }} as readings
inner join {{ ref('int_meter__numbers') }} as meters
    on readings.site_id = meters.site_id and readings.meter_id = meters.meter_id
left join {{ ref('stg_lake__quarter_hours') }} as calendar
    on readings.site_id = calendar.site_id and readings.interval_start_utc = calendar.interval_start_utc
where readings.is_current and readings.register = 'import' and readings.unit = 'kwh'
