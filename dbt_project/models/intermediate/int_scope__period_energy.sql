-- Sums and the peak of each scope over days, months and years that touch the span of the site's readings
with days as (
    select
        days.*,
        periods.grain,
        periods.period_start,
        periods.period_end,
        max(days.peak_kw) over (
            partition by days.site_id, days.scope, periods.grain, periods.period_start
        ) as period_peak_kw
    from {{ ref('int_scope__days') }} as days
    inner join {{ ref('int_site__periods') }} as periods
        on days.site_id = periods.site_id and days.local_date = periods.local_date
)
select
    site_id,
    scope,
    carrier,
    is_allocated,
    bool_or(is_remainder) as is_remainder,
    max(meter_count) as meter_count,
    cast(count(*) as integer) as scope_days,
    grain,
    period_start,
    period_end,
    sum(hours) as hours,
    cast(sum(energy_kwh) as decimal(38, 9)) as energy_kwh,
    cast(sum(covered_minutes) as bigint) as covered_minutes,
    cast(sum(expected_minutes) as bigint) as expected_minutes,
    cast(sum(estimated_minutes) as bigint) as estimated_minutes,
    cast(sum(unpriced_minutes) as bigint) as unpriced_minutes,
    cast(sum(unfactored_minutes) as bigint) as unfactored_minutes,
    cast(sum(case when covered_minutes > 0 then 1 else 0 end) as bigint) as covered_days,
    cast(sum(cost) as decimal(38, 15)) as cost,
    cast(sum(emission_kgco2e) as decimal(38, 15)) as emission_kgco2e,
    max(max_source_minutes) as max_source_minutes,
    bool_or(is_synthetic) as is_synthetic,
    max(last_recorded_at_utc) as last_recorded_at_utc,
    cast(max(peak_kw) as decimal(38, 9)) as peak_kw,
    min(case when peak_kw = period_peak_kw then peak_at_utc end) as peak_at_utc,
    cast(sum(complete_energy_kwh) as decimal(38, 9)) as complete_energy_kwh,
    cast(sum(complete_minutes) as bigint) as complete_minutes
from days
group by site_id, scope, carrier, is_allocated, grain, period_start, period_end
having bool_or(is_in_span)
