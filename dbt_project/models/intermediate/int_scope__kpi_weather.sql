-- Energy per degree day, plainly divided, and the slope of a straight line through the days; with what speaks against the ratio
{% set kpis = [] %}
{% for side in ['hdd', 'cdd'] %}
{% set missing = "case when days is null then 'no_temperature' when days < 20 then 'too_few_days' when " %}
{% set weak = "case when " ~ side ~ "_r2 < 0.5 then 'weak_weather' " %}
{% do kpis.append({
    'kpi': 'kwh_per_' ~ side, 'unit': "'kwh_per_degc_day'", 'coverage': 'day_share',
    'value': nano_double('energy_kwh') ~ ' / ' ~ nano_double(side),
    'blocks': missing ~ side ~ " = 0 then 'no_degree_days' end",
    'warns': weak ~ "when " ~ side ~ "_r2 is null then 'weak_weather' when " ~ side ~ "_intercept_share > 0.25 then 'base_load'"
        ~ " when day_share < 1 then 'gap' end",
}) %}
{% do kpis.append({
    'kpi': 'slope_kwh_per_' ~ side, 'unit': "'kwh_per_degc_day'", 'coverage': 'day_share', 'value': side ~ '_slope',
    'blocks': missing ~ side ~ "_spread = 0 then 'no_degree_days' end",
    'warns': weak ~ " when day_share < 1 then 'gap' end",
}) %}
{% endfor %}
with spreads as (
    select
        *
        , {{ micro_double('days * yy - y * y') }} as y_spread
        {% for side in ['hdd', 'cdd'] %}
        , {{ micro_double('days * ' ~ side ~ '_xx - ' ~ side ~ '_x * ' ~ side ~ '_x') }} as {{ side }}_spread
        , {{ micro_double('days * ' ~ side ~ '_xy - ' ~ side ~ '_x * y') }} as {{ side }}_common
        {% endfor %}
    from {{ ref('int_scope__period_weather') }}
),
lines as (
    select
        *
        {% for side in ['hdd', 'cdd'] %}
        , case when {{ side }}_spread > 0 then {{ side }}_common / {{ side }}_spread end as {{ side }}_slope
        , case
            when {{ side }}_spread > 0 and y_spread > 0
                then ({{ side }}_common / {{ side }}_spread) * ({{ side }}_common / y_spread)
        end as {{ side }}_r2
        , case
            when {{ side }}_spread > 0 and y > 0
                then 1 - ({{ side }}_common / {{ side }}_spread) * {{ micro_double(side ~ '_x') }} / {{ micro_double('y') }}
        end as {{ side }}_intercept_share
        {% endfor %}
    from spreads
),
scopes as (
    select
        kpi.site_id, kpi.scope, kpi.carrier, kpi.grain, kpi.period_start, kpi.period_end, kpi.estimated_share,
        kpi.is_synthetic, lines.days, lines.energy_kwh,
        lines.days / cast(kpi.period_days as double precision) as day_share
        {% for side in ['hdd', 'cdd'] %}
        , lines.{{ side }}
        , lines.{{ side }}_spread, lines.{{ side }}_slope, lines.{{ side }}_r2, lines.{{ side }}_intercept_share
        {% endfor %}
    from {{ ref('int_scope__period_kpi') }} as kpi
    left join lines
        on
            kpi.site_id = lines.site_id
            and kpi.scope = lines.scope
            and kpi.grain = lines.grain
            and kpi.period_start = lines.period_start
    where kpi.grain <> 'day' and kpi.kind in ('site', 'seu', 'building')
)
{{ kpi_rows('scopes', kpis) }}
