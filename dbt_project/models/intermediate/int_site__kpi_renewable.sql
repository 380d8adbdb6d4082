-- Renewable shares of a site's electricity: used of the generated, generated of the used, contracted of the bought
with energies as (
    select
        *,
        case
            when generated_kwh is null then 'no_generation'
            when exported_kwh is null then 'no_export_register'
            when stream_minutes < 0.99 * stream_expected then 'gap'
        end as not_measured,
        least(coverage, stream_coverage) as own_coverage,
        case when coverage = 1 and stream_coverage < 1 then concat_ws(' ', 'gap', warnings) else warnings end as own_warnings
    from {{ ref('int_site__renewable_energies') }}
),
kpis as (
    select
        {{ kpi_of('self_consumption_rate', '1') }},
        ({{ nano_double('generated_kwh') }} - {{ nano_double('exported_kwh') }}) / nullif({{ nano_double('generated_kwh') }}, 0) as ratio,
        case
            when not_measured is not null then not_measured
            when generated_kwh <= 0 then 'no_generation'
            when exported_kwh > generated_kwh then 'export_exceeds_generation'
        end as unknown_because,
        own_coverage as coverage,
        own_warnings as warnings
    from energies
    union all
    select
        {{ kpi_of('self_sufficiency', '1') }},
        ({{ nano_double('generated_kwh') }} - {{ nano_double('exported_kwh') }})
        / nullif(
            {{ nano_double('energy_kwh') }} + {{ nano_double('generated_kwh') }} - {{ nano_double('exported_kwh') }}, 0
        ) as ratio,
        case
            when not_measured is not null then not_measured
            when covered_minutes < 0.99 * expected_minutes then 'gap'
            when exported_kwh > generated_kwh then 'export_exceeds_generation'
            when energy_kwh + generated_kwh - exported_kwh <= 0 then 'no_load'
        end as unknown_because,
        own_coverage as coverage,
        own_warnings as warnings
    from energies
    union all
    select
        {{ kpi_of('contractual_renewable_share', '1') }},
        {{ nano_double('contracted_kwh') }} / nullif({{ nano_double('energy_kwh') }}, 0) as ratio,
        case
            when covered_minutes = 0 then 'no_readings'
            when coalesce(uncontracted_days, 1) > 0 then 'no_contract'
            when energy_kwh <= 0 then 'no_load'
        end as unknown_because,
        coverage,
        warnings
    from energies
    where grain <> 'day'
)
{{ known_kpis('kpis', amount='null', caution='null') }}
