-- Difference to the baseline of every SEU and period as one row per sign
{% for kpi in ['delta_kwh', 'savings_kwh'] %}
select
    site_id,
    'seu:' || seu_id as scope,
    grain,
    period_start,
    period_end,
    '{{ kpi }}' as kpi,
    cast({{ kpi }} as double precision) as value,
    'kwh' as unit,
    coverage,
    is_synthetic
from {{ ref('int_seu__period_enpi') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
