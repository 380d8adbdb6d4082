{# The columns that every row of a KPI begins with: whose it is, of which span, and its name and unit. #}
{% macro kpi_of(kpi, unit) -%}
    site_id, scope, carrier, grain, period_start, period_end, estimated_share, is_synthetic,
    '{{ kpi }}' as kpi,
    {{ "'" ~ unit ~ "'" if unit != 'currency' else unit }} as unit
{%- endmacro %}
