-- Actual against expected per SEU and day, month or year: both are sums over the days that may be compared
select
    days.site_id,
    days.seu_id,
    periods.grain,
    periods.period_start,
    periods.period_end,
    cast(sum(case when days.is_compared then days.actual_kwh end) as decimal(38, 9)) as actual_kwh,
    cast(sum(case when days.is_compared then days.expected_kwh end) as decimal(38, 9)) as expected_kwh,
    cast(sum(case when days.is_compared then days.actual_kwh - days.expected_kwh end) as decimal(38, 9)) as delta_kwh,
    cast(sum(case when days.is_compared then days.expected_kwh - days.actual_kwh end) as decimal(38, 9)) as savings_kwh,
    cast(sum(case when days.is_compared then 1 else 0 end) as integer) as compared_days,
    cast(count(*) as integer) as period_days,
    cast(sum(days.covered_minutes) as bigint) / cast(sum(days.expected_minutes) as double precision) as coverage,
    case
        when sum(days.covered_minutes) > 0
            then
                cast(sum(days.estimated_minutes) as bigint)
                / cast(sum(days.covered_minutes) as double precision)
    end as estimated_share,
    bool_or(days.is_synthetic) as is_synthetic,
    case when min(days.baseline_id) = max(days.baseline_id) then min(days.baseline_id) end as baseline_id,
    case
        when min(days.baseline_id) = max(days.baseline_id) and min(days.baseline_version) = max(days.baseline_version)
            then min(days.baseline_version)
    end as baseline_version
from {{ ref('int_seu__day_enpi') }} as days
inner join {{ ref('int_site__periods') }} as periods
    on days.site_id = periods.site_id and days.local_date = periods.local_date and periods.touches_span
group by days.site_id, days.seu_id, periods.grain, periods.period_start, periods.period_end
having bool_or(days.is_in_span)
