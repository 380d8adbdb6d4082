-- Amount per stream, register and local day, of the streams beside import energy; water with what it cost
select
    readings.site_id,
    readings.stream_id,
    readings.register,
    calendar.local_date,
    max(readings.unit) as unit,
    cast(sum(readings.amount) as decimal(38, 9)) as amount,
    cast(sum(readings.interval_minutes) as bigint) as covered_minutes,
    cast(sum(case when readings.is_estimated then readings.interval_minutes else 0 end) as bigint) as estimated_minutes,
    bool_or(readings.is_synthetic) as is_synthetic,
    cast(sum(cast(readings.amount as decimal(38, 9)) * prices.price_per_unit) as decimal(38, 15)) as cost,
    cast(sum(case when prices.price_per_unit is null then readings.interval_minutes else 0 end) as bigint) as unpriced_minutes
from {{ ref('stg_lake__stream_readings') }} as readings
inner join {{ ref('stg_lake__quarter_hours') }} as calendar
    on readings.site_id = calendar.site_id and readings.interval_start_utc = calendar.interval_start_utc
left join {{ ref('stg_lake__carrier_prices') }} as prices
    on
        readings.unit = 'm3'
        and prices.carrier = 'water'
        and readings.site_id = prices.site_id
        and readings.interval_start_utc = prices.interval_start_utc
group by readings.site_id, readings.stream_id, readings.register, calendar.local_date
