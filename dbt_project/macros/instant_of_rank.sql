{# The instant inside an earliest_rank whose amount is known. Its ten digits fit a double. #}
{% macro instant_of_rank(rank, amount) -%}
    to_timestamp(
        (
            4294967295 - round(
                cast({{ rank }} - cast({{ amount }} as decimal(38, 9)) * 4294967296 as double precision) * 1000000000
            )
        ) * 900
    )
{%- endmacro %}
