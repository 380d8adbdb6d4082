-- Energies behind the renewable shares: generated, fed into the grid, bought under contracts
with measured as (
    select
        streams.*,
        energies.carrier,
        streams.covered_minutes / cast(streams.expected_minutes as double precision) as coverage,
        case
            when streams.covered_minutes > 0
                then streams.estimated_minutes / cast(streams.covered_minutes as double precision)
        end as estimated_share,
        case when streams.covered_minutes < streams.expected_minutes then 'gap' end as warnings
    from {{ ref('int_site__renewable_energies') }} as energies
    inner join {{ ref('int_scope__period_streams') }} as streams
        on
            energies.site_id = streams.site_id
            and energies.grain = streams.grain
            and energies.period_start = streams.period_start
),
kpis as (
    {% for kpi, role in [('generation_kwh', 'generation'), ('export_kwh', 'export')] %}
    select
        {{ kpi_of(kpi, 'kwh') }},
        cast(amount as decimal(38, 15)) as amount,
        coverage,
        case when amount is null then 'no_readings' end as unknown_because,
        warnings
    from measured
    where role = '{{ role }}'
    union all
    {% endfor %}
    select
        {{ kpi_of('contracted_kwh', 'kwh') }},
        cast(contracted_kwh as decimal(38, 15)) as amount,
        coverage,
        case when covered_minutes = 0 then 'no_readings' end as unknown_because,
        warnings
    from {{ ref('int_site__renewable_energies') }}
    where grain <> 'day' and uncontracted_days = 0
)
{{ known_kpis('kpis', ratio='null', caution='null') }}
