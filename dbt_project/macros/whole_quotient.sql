{# Integer quotient of two whole numbers above zero, rounded down; exact up to 38 digits in both engines. #}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient', 'meterloom')(dividend, divisor)) }}
{%- endmacro %}
{% macro duckdb__whole_quotient(dividend, divisor) -%}
    (cast({{ dividend }} as hugeint) // cast({{ divisor }} as hugeint))
{%- endmacro %}
{% macro postgres__whole_quotient(dividend, divisor) -%}
    div(cast({{ dividend }} as decimal(38, 0)), cast({{ divisor }} as decimal(38, 0)))
{%- endmacro %}
