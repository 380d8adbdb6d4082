{# Rows of KPIs as the marts hold them. Beside `kpi_of`, the relation has: amount (an exact sum or peak, or null), ratio (a
   double, or null), coverage, unknown_because (a code that leaves no value, or null), caution (the first thing to know
   beside the value, or null) and warnings (the others, between blanks, or null). What none of its KPIs has is 'null'. #}
{% macro known_kpis(relation, amount='amount', ratio='ratio', caution='caution') -%}
select
    site_id,
    scope,
    carrier,
    grain,
    period_start,
    period_end,
    kpi,
    cast(case when unknown_because is null then coalesce({{ ratio }}, cast({{ amount }} as double precision)) end as double precision) as value,
    cast(case when unknown_because is null then {{ amount }} end as decimal(38, 15)) as exact,
    unit,
    cast(coverage as double precision) as coverage,
    estimated_share,
    cast(coalesce(unknown_because, {{ caution }}, nullif(split_part(warnings, ' ', 1), '')) as text) as finding,
    cast(coalesce(unknown_because, nullif(concat_ws(' ', {{ caution }}, warnings), '')) as text) as findings,
    is_synthetic
from {{ relation }}
{%- endmacro %}
