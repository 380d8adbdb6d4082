{# The instant inside an earliest_rank whose amount is known. #}
{% macro instant_of_rank(rank, amount) -%}
    to_timestamp(
        (
            4294967295
            - cast(({{ rank }} - cast({{ amount }} as decimal(38, 9)) * 4294967296) * 1000000000 as bigint)
        ) * 900
    )
{%- endmacro %}
