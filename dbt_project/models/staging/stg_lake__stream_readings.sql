-- Current readings of the streams beside import energy that KPIs are made of; only their few rows are ranked
with wanted as (
    select site_id, stream_id, register from {{ source('lake', 'kpi_streams') }}
    union
    select site_id, stream_id, 'value' as register from {{ source('lake', 'degree_rules') }}
),
ranked as (
    select
        readings.site_id,
        readings.meter_id as stream_id,
        readings.register,
        readings.interval_start_utc,
        readings.interval_minutes,
        readings.value,
        readings.unit,
        readings.quality_code,
        readings.is_synthetic,
        row_number() over (
            partition by readings.site_id, readings.meter_id, readings.register, readings.interval_start_utc
            order by readings.recorded_at_utc desc
        ) as newest
    from {{ source('lake', 'window_readings') }} as readings
    inner join wanted
        on
            readings.site_id = wanted.site_id
            and readings.meter_id = wanted.stream_id
            and readings.register = wanted.register
)
select
    site_id, stream_id, register, interval_start_utc, interval_minutes, unit, is_synthetic,
    {{ exact_amount('value') }} as amount,
    quality_code in (8, 9) as is_estimated
from ranked
where newest = 1
