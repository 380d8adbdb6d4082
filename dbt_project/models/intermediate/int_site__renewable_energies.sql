-- What each site bought, generated, fed in and has contracts for, over days with generation, months and years
with streams as (
    select
        site_id,
        grain,
        period_start,
        cast(sum(case when role = 'generation' then amount end) as decimal(38, 9)) as generated_kwh,
        cast(sum(case when role = 'export' then amount end) as decimal(38, 9)) as exported_kwh,
        sum(covered_minutes) as stream_minutes,
        sum(expected_minutes) as stream_expected,
        min(covered_minutes / cast(expected_minutes as double precision)) as stream_coverage,
        bool_or(is_synthetic) as is_synthetic
    from {{ ref('int_scope__period_streams') }}
    where role in ('generation', 'export')
    group by site_id, grain, period_start
),
contracts as (
    select
        days.site_id,
        periods.grain,
        periods.period_start,
        cast(sum(days.energy_kwh * contracts.amount) as decimal(38, 15)) as contracted_kwh,
        count(case when contracts.amount is null then 1 end) as uncontracted_days
    from {{ ref('int_scope__days') }} as days
    inner join {{ ref('int_site__periods') }} as periods
        on days.site_id = periods.site_id and days.local_date = periods.local_date and periods.grain <> 'day'
    left join {{ ref('stg_lake__scope_facts') }} as contracts
        on
            days.site_id = contracts.site_id
            and contracts.fact = 'contract_share'
            and days.local_date >= contracts.valid_from and days.local_date < contracts.valid_to
    where days.scope = 'site:' || days.site_id
    group by days.site_id, periods.grain, periods.period_start
)
select
    kpi.site_id, kpi.scope, kpi.carrier, kpi.grain, kpi.period_start, kpi.period_end, kpi.energy_kwh,
    kpi.covered_minutes, kpi.expected_minutes, kpi.coverage, kpi.estimated_share, kpi.warnings,
    kpi.is_synthetic or coalesce(streams.is_synthetic, false) as is_synthetic,
    streams.generated_kwh, streams.exported_kwh, streams.stream_minutes, streams.stream_expected, streams.stream_coverage,
    contracts.contracted_kwh, contracts.uncontracted_days
from {{ ref('int_scope__period_kpi') }} as kpi
left join streams
    on kpi.site_id = streams.site_id and kpi.grain = streams.grain and kpi.period_start = streams.period_start
left join contracts
    on kpi.site_id = contracts.site_id and kpi.grain = contracts.grain and kpi.period_start = contracts.period_start
where kpi.scope = 'site:' || kpi.site_id and (kpi.grain <> 'day' or streams.generated_kwh is not null)
