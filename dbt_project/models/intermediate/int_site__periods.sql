-- Each local day with its day, month and year, as far as the period overlaps a window (the others stand as they are);
-- where somebody asks for spans of a site, with those and no others
with periods as (
    {% for grain in ['day', 'month', 'year'] %}
    select
        site_id,
        local_date,
        '{{ grain }}' as grain,
        cast({{ dbt.date_trunc(grain, 'local_date') }} as date) as period_start,
        {{ after(grain, dbt.date_trunc(grain, 'local_date')) }} as period_end
    from {{ ref('int_site__days') }}
    where site_id not in (select site_id from {{ ref('stg_lake__asked_periods') }})
    union all
    {% endfor %}
    select days.site_id, days.local_date, asked.grain, asked.first_date as period_start, asked.after_date as period_end
    from {{ ref('int_site__days') }} as days
    inner join {{ ref('stg_lake__asked_periods') }} as asked
        on
            days.site_id = asked.site_id
            and days.local_date >= asked.first_date
            and days.local_date < asked.after_date
),
spans as (
    select site_id, min(local_date) as first_date, max(local_date) as last_date
    from {{ ref('int_meter__day_energy') }}
    group by site_id
)
select
    periods.site_id,
    periods.local_date,
    periods.grain,
    periods.period_start,
    periods.period_end,
    -- What lies wholly beside the readings is summed up to be thrown away: two years of days for a new January
    coalesce(
        periods.period_start <= spans.last_date and periods.period_end > spans.first_date, false
    ) as touches_span
from periods
left join spans on periods.site_id = spans.site_id
where exists (
    select 1
    from {{ ref('stg_lake__windows') }} as windows
    where
        windows.site_id = periods.site_id
        and periods.period_start < windows.after_date
        and periods.period_end > windows.first_date
)
