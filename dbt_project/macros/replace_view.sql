{# On DuckDB a view is replaced by one statement. The adapter's own way makes it under another name, renames the old
   one, renames the new one and drops the old one: six statements for each of two dozen views in every run. #}
{% macro replace_view() -%}
    {%- set made = create_or_replace_view() -%}
    {%- do adapter.commit() -%}
    {{ return(made) }}
{%- endmacro %}

{% materialization view, adapter='duckdb' -%}
    {{ return(replace_view()) }}
{%- endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
