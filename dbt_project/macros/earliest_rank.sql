{# A number that orders by an amount with nine places, and equal amounts from the last instant to the first: its
   maximum names the first of the highest. An instant is the number of its quarter hour since 1970, below 2^32. #}
{% macro earliest_rank(amount, instant) -%}
    cast({{ amount }} as decimal(38, 9)) * 4294967296
    + (4294967295 - {{ utc_number(instant, 900) }}) * cast(0.000000001 as decimal(10, 9))
{%- endmacro %}
