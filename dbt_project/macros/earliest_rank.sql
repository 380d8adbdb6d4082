{# A number that orders by an amount with nine places, and equal amounts from the last quarter hour to the first: its
   maximum names the first of the highest. Quarter hours are counted from 1970, below 2^32. #}
{% macro earliest_rank(amount, quarter_number) -%}
    cast({{ amount }} as decimal(38, 9)) * 4294967296
    + (4294967295 - ({{ quarter_number }})) * cast(0.000000001 as decimal(10, 9))
{%- endmacro %}
