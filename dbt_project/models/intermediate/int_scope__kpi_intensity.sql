-- Energy and carbon by floor area and by people, and these means; only where what is divided is complete
{% set unread = "when covered_minutes = 0 then 'no_readings'" %}
{% set gap = "when covered_minutes < 0.99 * expected_minutes then 'gap' when scope_days < period_days then 'partial_scope'" %}
{% set kpis = [
    {
        'kpi': 'eui_kwh_per_m2', 'value': 'eui_kwh_per_m2', 'unit': "'kwh_per_m2'", 'rows': "grain = 'year'",
        'blocks': "case " ~ unread ~ " when area_m2_sum is null then 'no_area'"
            ~ " when covered_days < 365 or scope_days < period_days then 'eui_partial_year' " ~ gap ~ " end",
    },
    {
        'kpi': 'emission_kgco2e_per_m2', 'unit': "'kgco2e_per_m2'", 'rows': 'carrier in ' ~ bought_carriers(),
        'value': nano_double('emission_kgco2e') ~ ' * period_days / ' ~ nano_double('area_m2_sum'),
        'blocks': "case " ~ unread ~ " when area_m2_sum is null then 'no_area' when unfactored_minutes > 0 then 'no_factor' "
            ~ gap ~ " end",
    },
    {
        'kpi': 'kwh_per_occupant', 'unit': "'kwh_per_person'",
        'value': nano_double('energy_kwh') ~ ' * period_days / ' ~ nano_double('occupants_sum'),
        'blocks': "case " ~ unread ~ " when occupants_sum is null then 'no_occupants' " ~ gap ~ " end",
    },
    {
        'kpi': 'floor_area_m2', 'value': nano_double('area_m2_sum') ~ ' / 1000000000 / period_days', 'unit': "'m2'",
        'rows': 'area_m2_sum is not null', 'blocks': 'null', 'warns': 'null', 'coverage': '1',
    },
    {
        'kpi': 'headcount', 'value': nano_double('occupants_sum') ~ ' / 1000000000 / period_days', 'unit': "'person'",
        'rows': 'occupants_sum is not null', 'blocks': 'null', 'warns': 'null', 'coverage': '1',
    },
] %}
with scopes as (
    select *
    from {{ ref('int_scope__period_kpi') }}
    where grain in ('month', 'year') and kind in ('site', 'building', 'zone', 'tenant')
)
{{ kpi_rows('scopes', kpis) }}
