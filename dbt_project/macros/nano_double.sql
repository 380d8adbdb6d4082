{# An exact decimal with nine places as a double of billionths: one rounding, the same one in every engine and in Python. #}
{% macro nano_double(column) -%}
    cast(cast({{ column }} * 1000000000 as decimal(38, 0)) as double precision)
{%- endmacro %}
