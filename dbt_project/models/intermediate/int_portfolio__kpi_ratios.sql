-- Ratios of all sites together: sum over sum, only where every site knows its own
{% set ratios = [
    ('eui_kwh_per_m2', 'consumption_kwh', 'floor_area_m2'),
    ('emission_kgco2e_per_m2', 'emission_kgco2e', 'floor_area_m2'),
    ('kwh_per_occupant', 'consumption_kwh', 'headcount'),
    ('contractual_renewable_share', 'contracted_kwh', 'consumption_kwh'),
] %}
with sites as (
    select
        values.*,
        'portfolio' || substr(scope, length('site:' || site_id) + 1) as of_scope,
        coalesce(exact, cast(cast(value as decimal(38, 6)) as decimal(38, 15))) as amount
    from {{ ref('mart_site__kpi_values') }} as values
    where (scope = 'site:' || site_id or scope like 'site:' || site_id || '/%') and carrier <> 'water'
),
-- Every site that ever has energy of the scope is asked for its ratio.
expected as (
    select of_scope, count(distinct site_id) as sites
    from sites
    where kpi = 'consumption_kwh'
    group by of_scope
),
rows_of_sites as (
    {% for kpi, above, below in ratios %}
    select
        ratio.of_scope, ratio.carrier, ratio.grain, ratio.period_start, ratio.period_end, ratio.kpi, ratio.unit,
        ratio.value, ratio.coverage, ratio.estimated_share, ratio.finding, ratio.is_synthetic,
        above.amount as above_amount,
        below.amount as below_amount
    from sites as ratio
    left join sites as above
        on
            ratio.site_id = above.site_id and ratio.scope = above.scope and ratio.grain = above.grain
            and ratio.period_start = above.period_start and above.kpi = '{{ above }}'
    left join sites as below
        on
            ratio.site_id = below.site_id and ratio.scope = below.scope and ratio.grain = below.grain
            and ratio.period_start = below.period_start and below.kpi = '{{ below }}'
    where ratio.kpi = '{{ kpi }}'
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)
select
    '_portfolio' as site_id,
    rows_of_sites.of_scope as scope,
    case when min(carrier) = max(carrier) then min(carrier) else 'mixed' end as carrier,
    grain,
    period_start,
    period_end,
    kpi,
    case
        when count(value) = max(expected.sites)
            then cast(sum(above_amount) as double precision) / cast(sum(below_amount) as double precision)
    end as value,
    cast(null as decimal(38, 15)) as exact,
    unit,
    sum(coverage) / max(expected.sites) as coverage,
    max(estimated_share) as estimated_share,
    cast(
        case when count(*) < max(expected.sites) then 'site_missing' else min(case when value is null then finding end) end as text
    ) as finding,
    bool_or(is_synthetic) as is_synthetic,
    cast(count(value) as integer) as sites,
    cast(max(expected.sites) as integer) as expected_sites
from rows_of_sites
inner join expected on rows_of_sites.of_scope = expected.of_scope
group by rows_of_sites.of_scope, grain, period_start, period_end, kpi, unit
