-- What adds up over sites: energies, water, carbon, floor area, people, and cost by currency; no sum where a site is unknown
with sites as (
    select
        site_id,
        'portfolio' || substr(scope, length('site:' || site_id) + 1) as scope,
        carrier, grain, period_start, period_end, kpi, unit, coverage, estimated_share, finding, is_synthetic,
        -- A mean of a dated fact is a double: to six places both engines read the same.
        coalesce(exact, cast(cast(value as decimal(38, 6)) as decimal(38, 15))) as exact
    from {{ ref('mart_site__kpi_values') }}
    where
        kpi in (
            'consumption_kwh', 'consumption_m3', 'cost', 'emission_kgco2e', 'floor_area_m2', 'headcount', 'generation_kwh',
            'export_kwh', 'contracted_kwh'
        )
        and (scope = 'site:' || site_id or scope like 'site:' || site_id || '/%')
        and coalesce(finding, '') <> 'water_excluded'
),
expected as (
    select scope, kpi, unit, count(distinct site_id) as sites
    from sites
    group by scope, kpi, unit
)
select
    '_portfolio' as site_id,
    sites.scope,
    case when min(sites.carrier) = max(sites.carrier) then min(sites.carrier) else 'mixed' end as carrier,
    sites.grain,
    sites.period_start,
    sites.period_end,
    sites.kpi,
    cast(case when count(sites.exact) = max(expected.sites) then sum(sites.exact) end as double precision) as value,
    cast(case when count(sites.exact) = max(expected.sites) then sum(sites.exact) end as decimal(38, 15)) as exact,
    sites.unit,
    sum(sites.coverage) / max(expected.sites) as coverage,
    max(sites.estimated_share) as estimated_share,
    cast(
        case when count(sites.exact) < max(expected.sites) then 'site_missing' else min(sites.finding) end as text
    ) as finding,
    bool_or(sites.is_synthetic) as is_synthetic,
    cast(count(sites.exact) as integer) as sites,
    cast(max(expected.sites) as integer) as expected_sites
from sites
inner join expected on sites.scope = expected.scope and sites.kpi = expected.kpi and sites.unit = expected.unit
group by sites.scope, sites.grain, sites.period_start, sites.period_end, sites.kpi, sites.unit
