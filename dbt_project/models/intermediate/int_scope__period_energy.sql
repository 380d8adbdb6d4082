-- Sums and the peak of each scope over days, months and years that touch the span of the site's readings
with periods as (
    select
        days.site_id,
        days.scope,
        days.carrier,
        days.is_allocated,
        bool_or(days.is_remainder) as is_remainder,
        max(days.meter_count) as meter_count,
        cast(count(*) as integer) as scope_days,
        periods.grain,
        periods.period_start,
        periods.period_end,
        sum(days.hours) as hours,
        cast(sum(days.energy_kwh) as decimal(38, 9)) as energy_kwh,
        cast(sum(days.covered_minutes) as bigint) as covered_minutes,
        cast(sum(days.expected_minutes) as bigint) as expected_minutes,
        cast(sum(days.estimated_minutes) as bigint) as estimated_minutes,
        cast(sum(days.unpriced_minutes) as bigint) as unpriced_minutes,
        cast(sum(days.unfactored_minutes) as bigint) as unfactored_minutes,
        cast(sum(case when days.covered_minutes > 0 then 1 else 0 end) as bigint) as covered_days,
        cast(sum(days.cost) as decimal(38, 15)) as cost,
        cast(sum(days.emission_kgco2e) as decimal(38, 15)) as emission_kgco2e,
        max(days.max_source_minutes) as max_source_minutes,
        bool_or(days.is_synthetic) as is_synthetic,
        max(days.last_recorded_at_utc) as last_recorded_at_utc,
        cast(max(days.peak_kw) as decimal(38, 9)) as peak_kw,
        max({{ earliest_rank('days.peak_kw', utc_number('days.peak_at_utc', 900)) }}) as highest_rank,
        cast(sum(days.complete_energy_kwh) as decimal(38, 9)) as complete_energy_kwh,
        cast(sum(days.complete_minutes) as bigint) as complete_minutes
    from {{ ref('int_scope__days') }} as days
    inner join {{ ref('int_site__periods') }} as periods
        on days.site_id = periods.site_id and days.local_date = periods.local_date and periods.touches_span
    group by
        days.site_id, days.scope, days.carrier, days.is_allocated, periods.grain, periods.period_start, periods.period_end
    having bool_or(days.is_in_span)
)
select
    *,
    {{ instant_of_rank('highest_rank', 'peak_kw') }} as peak_at_utc
from periods
