-- Power factor from energies, and energy per product, where both sides are complete
with scopes as (
    select
        kpi.site_id,
        kpi.scope || case when streams.role like 'product/%' then substr(streams.role, 8) else '' end as scope,
        kpi.carrier,
        kpi.grain,
        kpi.period_start,
        kpi.period_end,
        kpi.energy_kwh,
        least(kpi.coverage, streams.covered_minutes / cast(streams.expected_minutes as double precision)) as coverage,
        kpi.estimated_share,
        case
            when kpi.covered_minutes = kpi.expected_minutes and streams.covered_minutes < streams.expected_minutes
                then concat_ws(' ', 'gap', kpi.warnings)
            else kpi.warnings
        end as warnings,
        kpi.is_synthetic or coalesce(streams.is_synthetic, false) as is_synthetic,
        wanted.role as wanted_role,
        streams.role is null as is_not_measured,
        case when wanted.role = 'kvarh' then streams.amount end as reactive_kvarh,
        case when wanted.role = 'product' then streams.amount end as products,
        case
            when kpi.covered_minutes = 0 or streams.covered_minutes = 0 then 'no_readings'
            when kpi.covered_minutes < 0.99 * kpi.expected_minutes then 'gap'
            when streams.covered_minutes < 0.99 * streams.expected_minutes then 'gap'
        end as incomplete
    from {{ ref('int_scope__period_kpi') }} as kpi
    cross join (select 'kvarh' as role union all select 'product' as role) as wanted
    left join {{ ref('int_scope__period_streams') }} as streams
        on
            kpi.site_id = streams.site_id
            and kpi.scope = streams.scope
            and kpi.grain = streams.grain
            and kpi.period_start = streams.period_start
            and split_part(streams.role, '/', 1) = wanted.role
    -- What no stream tells is said of the site, once a month and year.
    where kpi.carrier = 'electricity' and (streams.role is not null or kpi.kind = 'site' and kpi.grain <> 'day')
),
kpis as (
    select
        {{ kpi_of('power_factor', '1') }},
        {{ nano_double('energy_kwh') }}
        / nullif(
            sqrt(
                {{ nano_double('energy_kwh') }} * {{ nano_double('energy_kwh') }}
                + {{ nano_double('reactive_kvarh') }} * {{ nano_double('reactive_kvarh') }}
            ),
            0
        ) as ratio,
        coverage,
        case
            when is_not_measured then 'no_reactive_energy'
            when incomplete is not null then incomplete
            when energy_kwh = 0 and reactive_kvarh = 0 then 'no_load'
        end as unknown_because,
        warnings
    from scopes
    where wanted_role = 'kvarh'
    union all
    select
        {{ kpi_of('kwh_per_product', 'kwh_per_unit') }},
        {{ nano_double('energy_kwh') }} / nullif({{ nano_double('products') }}, 0) as ratio,
        coverage,
        case
            when is_not_measured then 'no_product'
            when incomplete is not null then incomplete
            when products <= 0 then 'no_products_made'
        end as unknown_because,
        warnings
    from scopes
    where wanted_role = 'product'
)
{{ known_kpis('kpis', amount='null', caution='null') }}
