{# Days and hours are cut from UTC instants: a session in any other zone would cut them elsewhere. #}
{% macro require_utc_session() -%}
    {% if execute %}
        {% set zone = run_query("select current_setting('TimeZone') as zone").columns[0].values()[0] %}
        {% if zone not in ('UTC', 'Etc/UTC') %}
            {{ exceptions.raise_compiler_error("the warehouse session is in zone " ~ zone ~ "; it must be UTC (set PGTZ=UTC)") }}
        {% endif %}
    {% endif %}
    {{ return("") }}
{%- endmacro %}
