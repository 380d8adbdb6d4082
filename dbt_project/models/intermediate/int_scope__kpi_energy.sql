-- Consumption, cost and carbon of every scope and period; a code stands where a value cannot be known
with period_kpi as (
    select
        *,
        case when covered_minutes = 0 then 'no_readings' end as unread
    from {{ ref('int_scope__period_kpi') }}
),
kpis as (
    select
        {{ kpi_of('consumption_kwh', 'kwh') }},
        cast(energy_kwh as decimal(38, 15)) as amount,
        coverage,
        unread as unknown_because,
        cast(null as text) as caution,
        warnings
    from period_kpi
    union all
    select
        {{ kpi_of('cost', 'currency') }},
        cast(cost as decimal(38, 15)) as amount,
        (covered_minutes - unpriced_minutes) / cast(expected_minutes as double precision) as coverage,
        case when unread is not null then unread when cost is null then 'no_price' end as unknown_because,
        case when unpriced_minutes > 0 then 'no_price' end as caution,
        warnings
    from period_kpi
    where carrier in {{ bought_carriers() }}
    union all
    select
        {{ kpi_of('emission_kgco2e', 'kgco2e') }},
        cast(emission_kgco2e as decimal(38, 15)) as amount,
        (covered_minutes - unfactored_minutes) / cast(expected_minutes as double precision) as coverage,
        case when unread is not null then unread when emission_kgco2e is null then 'no_factor' end as unknown_because,
        case when unfactored_minutes > 0 then 'no_factor' end as caution,
        warnings
    from period_kpi
    where carrier in {{ bought_carriers() }}
)
{{ known_kpis('kpis', ratio='null') }}
