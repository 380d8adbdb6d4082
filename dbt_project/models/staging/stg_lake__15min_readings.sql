-- Every recorded row of this run's windows, history included; the latest per key is the current one
-- Only days of a stream that were recorded more than once can hold a key twice: few rows are looked at one by one.
with recorded_again as (
    select site_id, meter_id, register, {{ utc_number('interval_start_utc', 86400) }} as day_number
    from {{ source('lake', 'window_readings') }}
    group by site_id, meter_id, register, {{ utc_number('interval_start_utc', 86400) }}
    having min(recorded_at_utc) < max(recorded_at_utc)
),
corrected as (
    select
        readings.site_id,
        readings.meter_id,
        readings.register,
        readings.interval_start_utc,
        max(readings.recorded_at_utc) as latest_recorded_at_utc
    from {{ source('lake', 'window_readings') }} as readings
    inner join recorded_again
        on
            readings.site_id = recorded_again.site_id
            and readings.meter_id = recorded_again.meter_id
            and readings.register = recorded_again.register
            and {{ utc_number('readings.interval_start_utc', 86400) }} = recorded_again.day_number
    group by readings.site_id, readings.meter_id, readings.register, readings.interval_start_utc
    having count(*) > 1
)
select
    readings.site_id,
    readings.meter_id,
    readings.register,
    readings.interval_start_utc,
    readings.interval_minutes,
    readings.source_minutes,
    readings.value,
    readings.unit,
    readings.quality_code,
    readings.is_synthetic,
    readings.recorded_at_utc,
    coalesce(readings.recorded_at_utc = corrected.latest_recorded_at_utc, true) as is_current
from {{ source('lake', 'window_readings') }} as readings
left join corrected
    on
        readings.site_id = corrected.site_id
        and readings.meter_id = corrected.meter_id
        and readings.register = corrected.register
        and readings.interval_start_utc = corrected.interval_start_utc
