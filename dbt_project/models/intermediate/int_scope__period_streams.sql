-- Generation, export, reactive energy, water and products of scopes over days, months and years, with what ought to be there
select
    streams.site_id,
    streams.scope,
    streams.role,
    periods.grain,
    periods.period_start,
    periods.period_end,
    cast(sum(days.amount) as decimal(38, 9)) as amount,
    cast(coalesce(sum(days.covered_minutes), 0) as bigint) as covered_minutes,
    cast(coalesce(sum(days.estimated_minutes), 0) as bigint) as estimated_minutes,
    cast(sum(calendar.quarter_hours * 15) as bigint) as expected_minutes,
    coalesce(bool_or(days.is_synthetic), false) as is_synthetic,
    cast(sum(days.cost) as decimal(38, 15)) as cost,
    cast(coalesce(sum(days.unpriced_minutes), 0) as bigint) as unpriced_minutes
from {{ ref('stg_lake__kpi_streams') }} as streams
inner join {{ ref('int_site__days') }} as calendar
    on
        streams.site_id = calendar.site_id
        and calendar.local_date >= streams.valid_from
        and calendar.local_date < streams.valid_to
inner join {{ ref('int_site__periods') }} as periods
    on calendar.site_id = periods.site_id and calendar.local_date = periods.local_date
left join {{ ref('int_stream__day_amounts') }} as days
    on
        streams.site_id = days.site_id
        and streams.stream_id = days.stream_id
        and streams.register = days.register
        and calendar.local_date = days.local_date
group by streams.site_id, streams.scope, streams.role, periods.grain, periods.period_start, periods.period_end
