-- Sums over the complete days of months and years that have degree days: what ratios and slopes by weather are made of
-- Energies go in by the watt-hour and degree days by the thousandth, so that no product leaves 38 digits.
with days as (
    select
        days.site_id,
        days.scope,
        periods.grain,
        periods.period_start,
        days.energy_kwh,
        degrees.hdd,
        degrees.cdd,
        cast(days.energy_kwh as decimal(38, 3)) as y,
        cast(degrees.hdd as decimal(38, 3)) as hdd_x,
        cast(degrees.cdd as decimal(38, 3)) as cdd_x
    from {{ ref('int_scope__days') }} as days
    inner join {{ ref('int_site__day_degrees') }} as degrees
        on days.site_id = degrees.site_id and days.local_date = degrees.local_date
    inner join {{ ref('int_site__periods') }} as periods
        on days.site_id = periods.site_id and days.local_date = periods.local_date
    where
        days.covered_minutes >= days.expected_minutes
        and periods.grain <> 'day'
        and split_part(days.scope, ':', 1) in ('site', 'seu', 'building')
)
select
    site_id,
    scope,
    grain,
    period_start,
    cast(count(*) as integer) as days,
    cast(sum(energy_kwh) as decimal(38, 9)) as energy_kwh,
    cast(sum(y) as decimal(38, 3)) as y,
    cast(sum(y * y) as decimal(38, 6)) as yy
    {% for side in ['hdd', 'cdd'] %}
    , cast(sum({{ side }}) as decimal(38, 9)) as {{ side }}
    , cast(sum({{ side }}_x) as decimal(38, 3)) as {{ side }}_x
    , cast(sum({{ side }}_x * {{ side }}_x) as decimal(38, 6)) as {{ side }}_xx
    , cast(sum({{ side }}_x * y) as decimal(38, 6)) as {{ side }}_xy
    {% endfor %}
from days
group by site_id, scope, grain, period_start
