{# Quotient of two whole numbers, not below and above zero, rounded half up and counted in billionths: an exact decimal. #}
{% macro rounded_quotient(dividend, divisor) -%}
    cast({{ whole_quotient('2 * (' ~ dividend ~ ') + (' ~ divisor ~ ')', '2 * (' ~ divisor ~ ')') }} as decimal(38, 0))
    * cast(0.000000001 as decimal(10, 9))
{%- endmacro %}
