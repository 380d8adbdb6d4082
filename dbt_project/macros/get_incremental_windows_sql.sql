{# Incremental strategy `windows` is assets/stores/warehouse/run_nodes.py's: dbt itself makes such a table anew, or not. #}
{% macro get_incremental_windows_sql(arguments) -%}
    {{ exceptions.raise_compiler_error("rows of other windows are kept by Meterloom's own runs: build with --full-refresh") }}
{%- endmacro %}
