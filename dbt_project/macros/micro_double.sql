{# An exact decimal with six places as a double of millionths: one rounding, the same one in every engine and in Python. #}
{% macro micro_double(column) -%}
    cast(cast(({{ column }}) * 1000000 as decimal(38, 0)) as double precision)
{%- endmacro %}
