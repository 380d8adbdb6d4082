{# A stored double that is a multiple of 1e-9, as an exact decimal. There are two variants only: a third database fails at compile time. #}
{% macro exact_amount(column) -%}
    {{ return(adapter.dispatch('exact_amount', 'meterloom')(column)) }}
{%- endmacro %}
{% macro duckdb__exact_amount(column) -%}
    cast({{ column }} as decimal(18, 9))
{%- endmacro %}
{# PostgreSQL rounds double to numeric at 15 digits; its text form is the shortest exact one. #}
{% macro postgres__exact_amount(column) -%}
    cast(cast({{ column }} as text) as decimal(18, 9))
{%- endmacro %}
