-- Each local day with the day, month and year it belongs to
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
