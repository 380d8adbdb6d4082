-- Energy by floor area over twelve whole months, for each month that may be the last of them
with twelve as (
    select
        last.site_id,
        last.scope,
        last.carrier,
        'rolling12' as grain,
        cast({{ dbt.dateadd('month', -11, 'last.period_start') }} as date) as period_start,
        last.period_end,
        count(*) as months,
        count(each.area_m2_sum) as months_with_area,
        cast(sum(each.energy_kwh) as decimal(38, 9)) as energy_kwh,
        cast(sum(each.area_m2_sum) as decimal(38, 6)) as area_m2_sum,
        sum(each.covered_minutes) as covered_minutes,
        sum(each.expected_minutes) as expected_minutes,
        sum(each.scope_days) as scope_days,
        case
            when sum(each.covered_minutes) > 0
                then sum(each.estimated_share * each.covered_minutes) / sum(each.covered_minutes)
        end as estimated_share,
        bool_or(each.is_synthetic) as is_synthetic
    from {{ ref('mart_scope__month_kpi') }} as last
    inner join {{ ref('mart_scope__month_kpi') }} as each
        on
            last.site_id = each.site_id
            and last.scope = each.scope
            and each.period_start <= last.period_start
            and each.period_start > {{ dbt.dateadd('month', -12, 'last.period_start') }}
    where split_part(last.scope, ':', 1) in ('site', 'building', 'zone', 'tenant')
    group by last.site_id, last.scope, last.carrier, last.period_start, last.period_end
),
kpis as (
    select
        {{ kpi_of('eui_rolling12_kwh_per_m2', 'kwh_per_m2') }},
        {{ nano_double('energy_kwh') }} * (period_end - period_start) / nullif({{ nano_double('area_m2_sum') }}, 0) as ratio,
        -- Months without a row were not read at all.
        covered_minutes / cast(expected_minutes as double precision) * (months / cast(12 as double precision)) as coverage,
        case
            when months < 12 then 'eui_partial_year'
            when covered_minutes = 0 then 'no_readings'
            when months_with_area < 12 then 'no_area'
            when covered_minutes < 0.99 * expected_minutes then 'gap'
            when scope_days < period_end - period_start then 'partial_scope'
        end as unknown_because,
        case when covered_minutes < expected_minutes then 'gap' end as warnings
    from twelve
)
{{ known_kpis('kpis', amount='null', caution='null') }}
