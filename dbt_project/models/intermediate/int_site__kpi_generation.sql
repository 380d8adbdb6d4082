-- Energies behind the renewable shares: generated, fed into the grid, bought under contracts
with energies as (
    select
        *,
        stream_minutes / cast(stream_expected as double precision) as stream_coverage,
        case when stream_minutes < stream_expected then 'gap' end as stream_warnings
    from {{ ref('int_site__renewable_energies') }}
),
kpis as (
    {% for kpi, measured in [('generation_kwh', 'generated_kwh'), ('export_kwh', 'exported_kwh')] %}
    select
        {{ kpi_of(kpi, 'kwh') }},
        cast({{ measured }} as decimal(38, 15)) as amount,
        stream_coverage as coverage,
        case when {{ measured }} is null then 'no_readings' end as unknown_because,
        stream_warnings as warnings
    from energies
    where {{ 'has_generation' if kpi == 'generation_kwh' else 'has_export' }}
    union all
    {% endfor %}
    select
        {{ kpi_of('contracted_kwh', 'kwh') }},
        cast(contracted_kwh as decimal(38, 15)) as amount,
        coverage,
        case when covered_minutes = 0 then 'no_readings' end as unknown_because,
        warnings
    from energies
    where grain <> 'day' and uncontracted_days = 0
)
{{ known_kpis('kpis', ratio='null', caution='null') }}
