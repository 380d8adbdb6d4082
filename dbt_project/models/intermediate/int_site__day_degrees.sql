-- Heating and cooling degree days of each site and local day, of the day's mean and hour by hour, exact to a billionth
{% set sides = [('hdd', 'heating_base_degc * {0} - {1}'), ('cdd', '{1} - cooling_base_degc * {0}')] %}
with hours as (
    select
        rules.site_id, rules.station, rules.method, rules.heating_base_degc, rules.cooling_base_degc, calendar.local_date,
        {{ dbt.date_trunc('hour', 'readings.interval_start_utc') }} as hour_start_utc,
        sum(readings.amount) as degc_sum,
        count(*) as quarters
    from {{ ref('stg_lake__stream_readings') }} as readings
    inner join {{ ref('stg_lake__degree_rules') }} as rules
        on readings.site_id = rules.site_id and readings.stream_id = rules.stream_id and readings.unit = 'degc'
    inner join {{ ref('stg_lake__quarter_hours') }} as calendar
        on readings.site_id = calendar.site_id and readings.interval_start_utc = calendar.interval_start_utc
    group by 1, 2, 3, 4, 5, 6, 7
),
days as (
    select
        site_id, station, method, heating_base_degc, cooling_base_degc, local_date,
        cast(sum(degc_sum) as decimal(38, 9)) as degc_sum,
        cast(sum(quarters) as integer) as quarters
        {% for name, above in sides %}
        , cast(sum(greatest({{ above.format('quarters', 'degc_sum') }}, 0)) as decimal(38, 9)) as {{ name }}_sum
        {% endfor %}
    from hours
    group by site_id, station, method, heating_base_degc, cooling_base_degc, local_date
),
-- A day with less than nine tenths of its quarter hours has no degree days; of another the present ones fill the rest.
known as (
    select
        days.*,
        calendar.quarter_hours,
        cast(abs(days.degc_sum) * 1000000000 as decimal(38, 0)) as nano_degc
        {% for name, above in sides %}
        , cast(greatest({{ above.format('quarters', 'degc_sum') }}, 0) * 1000000000 as decimal(38, 0)) as {{ name }}_mean_nano
        , cast(days.{{ name }}_sum * 1000000000 as decimal(38, 0)) as {{ name }}_hourly_nano
        {% endfor %}
    from days
    inner join {{ ref('int_site__days') }} as calendar
        on days.site_id = calendar.site_id and days.local_date = calendar.local_date
    where days.quarters * 10 >= calendar.quarter_hours * 9
),
rounded as (
    select
        site_id, local_date, station, method, heating_base_degc, cooling_base_degc,
        quarters / cast(quarter_hours as double precision) as coverage,
        cast(case when degc_sum < 0 then -1 else 1 end * {{ rounded_quotient('nano_degc', 'quarters') }} as decimal(38, 9)) as mean_degc
        {% for name, _ in sides %}
        , cast({{ rounded_quotient(name ~ '_mean_nano', 'quarters') }} as decimal(38, 9)) as {{ name }}_mean
        , cast({{ rounded_quotient(name ~ '_hourly_nano * quarter_hours', '96 * quarters') }} as decimal(38, 9)) as {{ name }}_hourly
        {% endfor %}
    from known
)
select
    rounded.*
    {% for name, _ in sides %}
    , cast(case when method = 'hourly' then {{ name }}_hourly else {{ name }}_mean end as decimal(38, 9)) as {{ name }}
    {% endfor %}
from rounded
