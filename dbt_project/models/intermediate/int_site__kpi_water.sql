-- Water in cubic metres; asked for in kWh it says that it is none
{% set kpis = [
    {
        'kpi': 'consumption_m3', 'value': 'amount', 'exact': 'amount', 'unit': "'m3'",
        'blocks': "case when covered_minutes = 0 then 'no_readings' end",
    },
    {'kpi': 'consumption_kwh', 'value': 'null', 'unit': "'kwh'", 'blocks': "'water_excluded'"},
] %}
with scopes as (
    select
        site_id,
        scope,
        'water' as carrier,
        grain,
        period_start,
        period_end,
        amount,
        covered_minutes,
        covered_minutes / cast(expected_minutes as double precision) as coverage,
        case when covered_minutes > 0 then estimated_minutes / cast(covered_minutes as double precision) end as estimated_share,
        is_synthetic,
        case when covered_minutes < expected_minutes then 'gap' end as warning
    from {{ ref('int_scope__period_streams') }}
    where role = 'water'
)
{{ kpi_rows('scopes', kpis) }}
