-- Every KPI of every scope and period as one row: a null value says that it cannot be known
{% set minutes_priced = '(covered_minutes - unpriced_minutes)' %}
{% set minutes_factored = '(covered_minutes - unfactored_minutes)' %}
{% set kpis = [
    ('consumption_kwh', 'energy_kwh', "'kwh'", 'covered_minutes', 'true'),
    ('peak_15min_kw', 'peak_kw', "'kw'", 'covered_minutes', 'true'),
    ('load_factor', 'load_factor', "'1'", 'covered_minutes', 'true'),
    ('eui_kwh_per_m2', 'eui_kwh_per_m2', "'kwh_per_m2'", 'covered_minutes',
     "grain = 'year' and scope = 'site:' || site_id"),
    ('cost', 'cost', 'currency', minutes_priced, "carrier = 'electricity'"),
    ('emission_kgco2e', 'emission_kgco2e', "'kgco2e'", minutes_factored, "carrier = 'electricity'"),
] %}
{% for kpi, column, unit, minutes, rows in kpis %}
select
    site_id,
    scope,
    grain,
    period_start,
    period_end,
    '{{ kpi }}' as kpi,
    cast({{ column }} as double precision) as value,
    {{ unit }} as unit,
    {{ minutes }} / cast(expected_minutes as double precision) as coverage,
    is_synthetic
from {{ ref('int_scope__period_kpi') }}
where {{ rows }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
