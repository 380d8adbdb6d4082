-- Energy and carbon by floor area and by people, and these means; only where what is divided is complete
with period_kpi as (
    select
        *,
        case
            when covered_minutes < 0.99 * expected_minutes then 'gap'
            when scope_days < period_days then 'partial_scope'
        end as incomplete
    from {{ ref('int_scope__period_kpi') }}
    where grain <> 'day' and kind in ('site', 'building', 'zone', 'tenant')
),
kpis as (
    select
        {{ kpi_of('eui_kwh_per_m2', 'kwh_per_m2') }},
        eui_kwh_per_m2 as ratio,
        coverage,
        case
            when covered_minutes = 0 then 'no_readings'
            when area_m2_sum is null then 'no_area'
            when covered_days < 365 or scope_days < period_days then 'eui_partial_year'
            else incomplete
        end as unknown_because,
        warnings
    from period_kpi
    where grain <> 'month'
    union all
    select
        {{ kpi_of('emission_kgco2e_per_m2', 'kgco2e_per_m2') }},
        {{ nano_double('emission_kgco2e') }} * period_days / nullif({{ nano_double('area_m2_sum') }}, 0) as ratio,
        coverage,
        case
            when covered_minutes = 0 then 'no_readings'
            when area_m2_sum is null then 'no_area'
            when unfactored_minutes > 0 then 'no_factor'
            else incomplete
        end as unknown_because,
        warnings
    from period_kpi
    where carrier in {{ bought_carriers() }}
    union all
    select
        {{ kpi_of('kwh_per_occupant', 'kwh_per_person') }},
        {{ nano_double('energy_kwh') }} * period_days / nullif({{ nano_double('occupants_sum') }}, 0) as ratio,
        coverage,
        case
            when covered_minutes = 0 then 'no_readings'
            when occupants_sum is null then 'no_occupants'
            else incomplete
        end as unknown_because,
        warnings
    from period_kpi
    -- What site files say of an area or of people needs no reading.
    {% for kpi, unit, total in [('floor_area_m2', 'm2', 'area_m2_sum'), ('headcount', 'person', 'occupants_sum')] %}
    union all
    select
        {{ kpi_of(kpi, unit) }},
        {{ nano_double(total) }} / 1000000000 / period_days as ratio,
        1 as coverage,
        null as unknown_because,
        null as warnings
    from period_kpi
    where {{ total }} is not null
    {% endfor %}
)
{{ known_kpis('kpis', amount='null', caution='null') }}
