{# The date one day, month or year after the first date of a period. #}
{% macro after(grain, date_column) -%}
    {{ return(adapter.dispatch('after', 'meterloom')(grain, date_column)) }}
{%- endmacro %}
{% macro duckdb__after(grain, date_column) -%}
    cast({{ date_column }} + interval 1 {{ grain }} as date)
{%- endmacro %}
{% macro postgres__after(grain, date_column) -%}
    cast({{ date_column }} + interval '1 {{ grain }}' as date)
{%- endmacro %}
