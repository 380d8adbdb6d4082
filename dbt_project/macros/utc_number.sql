{# How many whole spans of so many seconds lie between 1970 and an instant: many times cheaper than cutting it by a zone. #}
{% macro utc_number(instant, seconds) -%}
    {{ return(adapter.dispatch('utc_number', 'meterloom')(instant, seconds)) }}
{%- endmacro %}
{% macro duckdb__utc_number(instant, seconds) -%}
    epoch_us({{ instant }}) // {{ seconds * 1000000 }}
{%- endmacro %}
{% macro postgres__utc_number(instant, seconds) -%}
    cast(floor(extract(epoch from {{ instant }}) / {{ seconds }}) as bigint)
{%- endmacro %}
