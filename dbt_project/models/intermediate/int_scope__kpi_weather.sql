-- Energy per degree day, plainly divided, and the slope of a straight line through the days; with what speaks against the ratio
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
        kpi.is_synthetic, lines.energy_kwh,
        lines.days / cast(kpi.period_days as double precision) as coverage,
        case
            when rules.site_id is null then 'degree_days_undeclared'
            when lines.days is null then 'no_temperature'
            when lines.days < 20 then 'too_few_days'
        end as too_little,
        case when lines.days < kpi.period_days then 'gap' end as warnings
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
    left join {{ ref('stg_lake__degree_rules') }} as rules on kpi.site_id = rules.site_id
    where kpi.grain <> 'day' and kpi.kind in ('site', 'seu', 'building')
),
kpis as (
    {% for side in ['hdd', 'cdd'] %}
    select
        {{ kpi_of('kwh_per_' ~ side, 'kwh_per_degc_day') }},
        {{ nano_double('energy_kwh') }} / nullif({{ nano_double(side) }}, 0) as ratio,
        coverage,
        case when too_little is not null then too_little when {{ side }} = 0 then 'no_degree_days' end as unknown_because,
        case
            when {{ side }}_r2 is null or {{ side }}_r2 < 0.5 then 'weak_weather'
            when {{ side }}_intercept_share > 0.25 then 'base_load'
        end as caution,
        warnings
    from scopes
    union all
    select
        {{ kpi_of('slope_kwh_per_' ~ side, 'kwh_per_degc_day') }},
        {{ side }}_slope as ratio,
        coverage,
        case when too_little is not null then too_little when {{ side }}_spread = 0 then 'no_degree_days' end as unknown_because,
        case when {{ side }}_r2 < 0.5 then 'weak_weather' end as caution,
        warnings
    from scopes
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)
{{ known_kpis('kpis', amount='null') }}
