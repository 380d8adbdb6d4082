{# KPIs of every scope over the periods of one grain. #}
{% macro period_mart(grain, more=()) -%}
select
    site_id,
    scope,
    carrier,
    period_start,
    period_end,
    hours,
    energy_kwh,
    covered_minutes,
    expected_minutes,
    coverage,
    estimated_share,
    is_synthetic,
    peak_kw,
    peak_at_utc,
    load_factor,
    cost,
    emission_kgco2e,
    eui_kwh_per_m2,
    last_recorded_at_utc,
    unpriced_minutes,
    unfactored_minutes,
    max_source_minutes
    {%- for column in more %},
    {{ column }}
    {%- endfor %}
from {{ ref('int_scope__period_kpi') }}
where grain = '{{ grain }}'
{%- endmacro %}
