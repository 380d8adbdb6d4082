-- Actual against expected energy per SEU and local day, with both signs of the difference
select
    days.site_id,
    days.seu_id,
    days.local_date,
    days.actual_kwh,
    days.expected_kwh,
    cast(case when days.is_compared then days.actual_kwh - days.expected_kwh end as decimal(38, 9)) as delta_kwh,
    cast(case when days.is_compared then days.expected_kwh - days.actual_kwh end as decimal(38, 9)) as savings_kwh,
    days.covered_minutes / cast(days.expected_minutes as double precision) as coverage,
    case
        when days.covered_minutes > 0 then days.estimated_minutes / cast(days.covered_minutes as double precision)
    end as estimated_share,
    days.is_synthetic,
    days.is_compared,
    days.baseline_id,
    days.baseline_version
from {{ ref('int_seu__day_enpi') }} as days
inner join {{ ref('int_site__periods') }} as periods
    on days.site_id = periods.site_id and days.local_date = periods.local_date and periods.grain = 'day'
where days.is_in_span
