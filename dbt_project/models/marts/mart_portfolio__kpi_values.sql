-- What all sites come to together: sums, ratios of sums, and what is used of the own generation
{% for part in ['int_portfolio__kpi_sums', 'int_portfolio__kpi_ratios', 'int_portfolio__kpi_own'] %}
select
    site_id, scope, carrier, grain, period_start, period_end, kpi, value, exact, unit, coverage, estimated_share, finding,
    is_synthetic, sites, expected_sites
from {{ ref(part) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
