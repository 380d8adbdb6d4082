{# An exact decimal with nine places as a double of billionths: one rounding, the same one in every engine and in Python. #}
{% macro nano_double(column) -%}
    {{ return(adapter.dispatch('nano_double', 'meterloom')(column)) }}
{%- endmacro %}
{# DuckDB divides numbers of more than 18 digits a hundred times slower than others: what fits is put together from its
   whole part and its nine places, which a double holds. #}
{% macro duckdb__nano_double(column) -%}
    {%- set narrow = 'cast(' ~ column ~ ' as decimal(18, 9))' -%}
    {%- set whole = 'cast(' ~ narrow ~ ' as decimal(18, 0))' -%}
    case
        when abs({{ column }}) < 999999999
            then cast(
                cast({{ whole }} as bigint) * 1000000000
                + cast(round(cast({{ narrow }} - {{ whole }} as double precision) * 1000000000) as bigint)
                as double precision
            )
        -- Through text: a cast of more than 18 digits rounds twice.
        else cast(cast(cast({{ column }} * 1000000000 as decimal(38, 0)) as text) as double precision)
    end
{%- endmacro %}
{% macro postgres__nano_double(column) -%}
    cast(cast({{ column }} * 1000000000 as decimal(38, 0)) as double precision)
{%- endmacro %}
