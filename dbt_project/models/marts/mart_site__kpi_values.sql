-- Every KPI of every scope and period as one row: where a value cannot be known, a finding says why
{% set parts = [
    'int_scope__kpi_energy', 'int_scope__kpi_demand', 'int_scope__kpi_intensity', 'int_scope__kpi_diversity',
    'int_scope__kpi_ratios', 'int_site__kpi_renewable', 'int_site__kpi_generation', 'int_scope__kpi_weather',
    'int_site__kpi_water',
] %}
{% for part in parts %}
select
    site_id, scope, carrier, grain, period_start, period_end, kpi, value, exact, unit, coverage, estimated_share, finding,
    findings, is_synthetic
from {{ ref(part) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
