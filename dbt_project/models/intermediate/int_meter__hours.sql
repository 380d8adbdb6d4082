-- Current imported energy of the windows per meter and UTC hour, exact: each quarter of the hour, sums, cost, and the day's factor
with kinds as (
    select calendar_number, min(site_id) as site_id, min(carrier) as carrier, min(meter_id) as meter_id
    from {{ ref('int_meter__numbers') }}
    group by calendar_number
),
calendar as (
    select
        kinds.calendar_number,
        calendar.interval_start_utc,
        calendar.local_date,
        case when kinds.carrier = 'electricity' then calendar.price_per_kwh else prices.price_per_unit end as price_per_kwh,
        factors.kgco2e_per_kwh
    from {{ ref('stg_lake__quarter_hours') }} as calendar
    inner join kinds on calendar.site_id = kinds.site_id
    left join {{ ref('stg_lake__carrier_prices') }} as prices
        on
            kinds.site_id = prices.site_id
            and kinds.carrier = prices.carrier
            and calendar.interval_start_utc = prices.interval_start_utc
    left join {{ ref('stg_lake__meter_factors') }} as factors
        on
            kinds.site_id = factors.site_id
            and kinds.meter_id = factors.meter_id
            and calendar.local_date >= factors.valid_from
            and calendar.local_date < factors.valid_to
),
quarter_hours as (
    select
        meters.meter_number,
        {{ utc_number('readings.interval_start_utc', 900) }} as quarter_number,
        calendar.local_date,
        {{ exact_amount('readings.value') }} as energy_kwh,
        calendar.price_per_kwh,
        calendar.kgco2e_per_kwh,
        readings.source_minutes,
        readings.quality_code in (8, 9) as is_estimated,
        readings.is_synthetic,
        readings.recorded_at_utc
    from {{ ref('stg_lake__15min_readings') }} as readings
    inner join {{ ref('int_meter__numbers') }} as meters
        on readings.site_id = meters.site_id and readings.meter_id = meters.meter_id
    left join calendar
        on
            meters.calendar_number = calendar.calendar_number
            and readings.interval_start_utc = calendar.interval_start_utc
    where readings.is_current and readings.register = 'import' and readings.unit = 'kwh'
)
select
    meter_number,
    quarter_number >> 2 as hour_number,
    local_date,
    {% for name in ['first', 'second', 'third', 'fourth'] %}
    cast(max(case when (quarter_number & 3) = {{ loop.index0 }} then energy_kwh end) as decimal(18, 9)) as {{ name }}_kwh,
    {% endfor %}
    cast(sum(energy_kwh) as decimal(38, 9)) as energy_kwh,
    -- Widened first: the product of two narrow decimals overflows in DuckDB.
    cast(sum(cast(energy_kwh as decimal(38, 9)) * price_per_kwh) as decimal(38, 15)) as cost,
    cast(
        {{ exact_emission('cast(sum(energy_kwh) as decimal(38, 9))', 'cast(max(kgco2e_per_kwh) as decimal(18, 15))') }}
        as decimal(38, 15)
    ) as emission_kgco2e,
    cast(count(*) as integer) as readings,
    cast(count(price_per_kwh) as integer) as priced_readings,
    cast(count(case when is_estimated then 1 end) as integer) as estimated_readings,
    max(source_minutes) as max_source_minutes,
    bool_or(is_synthetic) as is_synthetic,
    max(recorded_at_utc) as last_recorded_at_utc
from quarter_hours
group by meter_number, quarter_number >> 2, local_date
