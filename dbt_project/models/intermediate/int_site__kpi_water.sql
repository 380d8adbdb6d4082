-- Water in cubic metres and money; asked for in kWh it says that it is none
with spans as (
    select site_id, min(local_date) as first_date, max(local_date) as last_date
    from {{ ref('int_meter__day_energy') }}
    group by site_id
),
-- As of energy: periods that touch the span of the site's energy readings, where it has any.
scopes as (
    select
        streams.site_id,
        scope,
        'water' as carrier,
        grain,
        period_start,
        period_end,
        amount,
        cost,
        sites.currency,
        covered_minutes,
        expected_minutes,
        unpriced_minutes,
        covered_minutes / cast(expected_minutes as double precision) as coverage,
        case when covered_minutes > 0 then estimated_minutes / cast(covered_minutes as double precision) end as estimated_share,
        is_synthetic,
        case when covered_minutes = 0 then 'no_readings' end as unread,
        case when covered_minutes < expected_minutes then 'gap' end as warnings
    from {{ ref('int_scope__period_streams') }} as streams
    inner join {{ ref('stg_lake__sites') }} as sites on streams.site_id = sites.site_id
    left join spans on streams.site_id = spans.site_id
    where
        role = 'water'
        and (spans.site_id is null or (period_start <= spans.last_date and period_end > spans.first_date))
),
kpis as (
    select
        {{ kpi_of('consumption_m3', 'm3') }},
        cast(amount as decimal(38, 15)) as amount,
        coverage,
        unread as unknown_because,
        cast(null as text) as caution,
        warnings
    from scopes
    union all
    select
        {{ kpi_of('cost', 'currency') }},
        cast(cost as decimal(38, 15)) as amount,
        (covered_minutes - unpriced_minutes) / cast(expected_minutes as double precision) as coverage,
        case when unread is not null then unread when cost is null then 'no_price' end as unknown_because,
        case when unpriced_minutes > 0 then 'no_price' end as caution,
        warnings
    from scopes
    union all
    select
        {{ kpi_of('consumption_kwh', 'kwh') }},
        null as amount,
        coverage,
        'water_excluded' as unknown_because,
        null as caution,
        warnings
    from scopes
)
{{ known_kpis('kpis', ratio='null') }}
