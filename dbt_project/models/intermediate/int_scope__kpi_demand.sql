-- The peak of every scope and period, and what is divided by it; a source that reads less often than 15 min hides peaks
with period_kpi as (
    select
        *,
        case
            when covered_minutes = 0 then 'no_readings'
            when is_allocated then 'share_has_no_demand'
            when peak_kw is null then 'gap'
        end as no_peak,
        case when max_source_minutes > 15 then 'coarse_source' end as caution
    from {{ ref('int_scope__period_kpi') }}
),
kpis as (
    select
        {{ kpi_of('peak_15min_kw', 'kw') }},
        cast(peak_kw as decimal(38, 15)) as amount,
        cast(null as double precision) as ratio,
        coverage,
        no_peak as unknown_because,
        caution,
        warnings
    from period_kpi
    union all
    select
        {{ kpi_of('load_factor', '1') }},
        null as amount,
        load_factor as ratio,
        coverage,
        case when no_peak is not null then no_peak when load_factor is null then 'no_load' end as unknown_because,
        caution,
        warnings
    from period_kpi
    union all
    select
        {{ kpi_of('demand_factor', '1') }},
        null as amount,
        {{ nano_double('peak_kw') }} * period_days / nullif({{ nano_double('connected_load_kw_sum') }}, 0) as ratio,
        coverage,
        case
            when no_peak is not null then no_peak
            when connected_load_kw_sum is null then 'no_connected_load'
        end as unknown_because,
        caution,
        warnings
    from period_kpi
    where grain <> 'day' or connected_load_kw_sum is not null
)
{{ known_kpis('kpis') }}
