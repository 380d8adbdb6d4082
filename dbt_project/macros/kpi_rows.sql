{# One SELECT a KPI over one relation. Of each KPI: value, exact (null: a ratio), unit, rows, coverage, `blocks` (a finding
   code that leaves no value, or null) and `warns` (a code that stands beside the value, or null). #}
{% macro kpi_rows(relation, kpis) -%}
{% for each in kpis %}
select
    site_id, scope, carrier, grain, period_start, period_end,
    '{{ each.kpi }}' as kpi,
    cast(case when {{ each.blocks }} is null then {{ each.value }} end as double precision) as value,
    cast(case when {{ each.blocks }} is null then {{ each.exact | default('null', true) }} end as decimal(38, 15)) as exact,
    {{ each.unit }} as unit,
    cast({{ each.coverage | default('coverage', true) }} as double precision) as coverage,
    estimated_share,
    cast(coalesce({{ each.blocks }}, {{ each.warns | default('warning', true) }}) as text) as finding,
    is_synthetic
from {{ relation }}
where {{ each.rows | default('true', true) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
{%- endmacro %}
