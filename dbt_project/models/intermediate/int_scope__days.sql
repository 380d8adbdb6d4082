-- Every scope on every local day of the years at hand, empty days included: what is there and what ought to be there
with spans as (
    select site_id, min(local_date) as first_date, max(local_date) as last_date
    from {{ ref('int_meter__day_energy') }}
    group by site_id
),
scopes as (
    select
        site_id, scope, carrier, is_allocated, valid_from, valid_to,
        max(meter_count) as meter_count,
        min(sign) < 0 as is_remainder
    from {{ ref('int_scope__meters') }}
    group by site_id, scope, carrier, is_allocated, valid_from, valid_to
),
sums as (
    select
        members.site_id,
        members.scope,
        days.local_date,
        cast(sum(case when members.share < 1 then allocated.energy_kwh else members.sign * days.energy_kwh end) as decimal(38, 9)) as energy_kwh,
        sum(days.covered_minutes) as covered_minutes,
        sum(days.estimated_minutes) as estimated_minutes,
        sum(days.unpriced_minutes) as unpriced_minutes,
        sum(days.unfactored_minutes) as unfactored_minutes,
        cast(sum(case when members.share < 1 then allocated.cost else members.sign * days.cost end) as decimal(38, 15)) as cost,
        cast(sum(case when members.share < 1 then allocated.emission_kgco2e else members.sign * days.emission_kgco2e end) as decimal(38, 15)) as emission_kgco2e,
        max(days.max_source_minutes) as max_source_minutes,
        bool_or(days.is_synthetic) as is_synthetic,
        max(days.last_recorded_at_utc) as last_recorded_at_utc
    from {{ ref('int_meter__day_energy') }} as days
    inner join {{ ref('int_scope__meters') }} as members
        on
            days.site_id = members.site_id
            and days.meter_id = members.meter_id
            and days.local_date >= members.valid_from and days.local_date < members.valid_to
    left join {{ ref('int_scope__day_allocations') }} as allocated
        on
            members.share < 1
            and members.site_id = allocated.site_id
            and members.scope = allocated.scope
            and members.meter_id = allocated.meter_id
            and days.local_date = allocated.local_date
    group by members.site_id, members.scope, days.local_date
)
select
    scopes.site_id,
    scopes.scope,
    scopes.carrier,
    scopes.is_allocated,
    scopes.is_remainder,
    scopes.meter_count,
    calendar.local_date,
    calendar.hours,
    calendar.local_date between spans.first_date and spans.last_date as is_in_span,
    cast(calendar.quarter_hours * 15 * scopes.meter_count as bigint) as expected_minutes,
    sums.energy_kwh,
    cast(coalesce(sums.covered_minutes, 0) as bigint) as covered_minutes,
    cast(coalesce(sums.estimated_minutes, 0) as bigint) as estimated_minutes,
    cast(coalesce(sums.unpriced_minutes, 0) as bigint) as unpriced_minutes,
    cast(coalesce(sums.unfactored_minutes, 0) as bigint) as unfactored_minutes,
    sums.cost,
    sums.emission_kgco2e,
    sums.max_source_minutes,
    coalesce(sums.is_synthetic, false) as is_synthetic,
    sums.last_recorded_at_utc,
    peaks.peak_kw,
    peaks.peak_at_utc,
    peaks.complete_energy_kwh,
    cast(coalesce(peaks.complete_minutes, 0) as bigint) as complete_minutes
from scopes
inner join {{ ref('int_site__days') }} as calendar
    on
        scopes.site_id = calendar.site_id
        and calendar.local_date >= scopes.valid_from and calendar.local_date < scopes.valid_to
inner join spans on scopes.site_id = spans.site_id
left join sums
    on scopes.site_id = sums.site_id and scopes.scope = sums.scope and calendar.local_date = sums.local_date
left join {{ ref('int_scope__day_peak') }} as peaks
    on scopes.site_id = peaks.site_id and scopes.scope = peaks.scope and calendar.local_date = peaks.local_date
