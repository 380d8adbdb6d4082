-- Each local day with its day, month and year, as far as the period overlaps a window: the others stand as they are
with periods as (
    {% for grain in ['day', 'month', 'year'] %}
    select
        site_id,
        local_date,
        '{{ grain }}' as grain,
        cast({{ dbt.date_trunc(grain, 'local_date') }} as date) as period_start,
        {{ after(grain, dbt.date_trunc(grain, 'local_date')) }} as period_end
    from {{ ref('int_site__days') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)
select site_id, local_date, grain, period_start, period_end
from periods
where exists (
    select 1
    from {{ ref('stg_lake__windows') }} as windows
    where
        windows.site_id = periods.site_id
        and periods.period_start < windows.after_date
        and periods.period_end > windows.first_date
)
