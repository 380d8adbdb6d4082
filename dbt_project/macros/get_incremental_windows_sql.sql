{# Incremental strategy `windows`: the periods that overlap a window of lake.windows are replaced by those just
   computed, in one transaction; of a whole site, every row. meta.window says where a row's period stands: `starts`
   and either `ends` or `grain`. #}
{% macro get_incremental_windows_sql(arguments) -%}
    {%- set place = config.get('meta')['window'] -%}
    {%- set starts = 'kept.' ~ place['starts'] -%}
    {%- set ends = 'kept.' ~ place['ends'] if 'ends' in place else after(place['grain'], starts) -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ arguments['target_relation'] }} as kept
    where
        -- Alone it says nothing new: with it DuckDB passes over the blocks of all other sites.
        kept.site_id in (select windows.site_id from {{ source('lake', 'windows') }} as windows)
        and exists (
            select 1
            from {{ source('lake', 'windows') }} as windows
            where
                windows.site_id = kept.site_id
                and (
                    windows.is_whole_site
                    or ({{ starts }} < windows.after_date and {{ ends }} > windows.first_date)
                )
        );
    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}
