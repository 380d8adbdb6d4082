-- Highest quarter hour of each scope and local day, among those in which every meter of the scope is present
with hours as (
    select scope_number, local_date, hour_number, first_kwh, second_kwh, third_kwh, fourth_kwh
    from {{ ref('int_scope__hours') }}
    union all
    -- A scope of a single meter has that meter's hours.
    select
        scopes.scope_number,
        hours.local_date,
        hours.hour_number,
        hours.first_kwh,
        hours.second_kwh,
        hours.third_kwh,
        hours.fourth_kwh
    from {{ ref('int_meter__hours') }} as hours
    inner join {{ ref('int_meter__numbers') }} as meters on hours.meter_number = meters.meter_number
    inner join {{ ref('int_scope__meters') }} as scopes
        on
            meters.site_id = scopes.site_id
            and meters.meter_id = scopes.meter_id
            and hours.local_date >= scopes.valid_from
            and hours.local_date < scopes.valid_to
    where scopes.kind = 'meter'
),
peaks as (
    select
        hours.*,
        greatest(first_kwh, second_kwh, third_kwh, fourth_kwh) as peak_kwh
    from hours
),
days as (
    select
        scope_number,
        local_date,
        max(peak_kwh) as peak_kwh,
        max(
            {{ earliest_rank(
                'peak_kwh',
                'hour_number * 4 + case peak_kwh when first_kwh then 0 when second_kwh then 1 when third_kwh then 2 else 3 end'
            ) }}
        ) as highest_rank,
        sum(coalesce(first_kwh, 0) + coalesce(second_kwh, 0) + coalesce(third_kwh, 0) + coalesce(fourth_kwh, 0)) as complete_kwh,
        count(first_kwh) + count(second_kwh) + count(third_kwh) + count(fourth_kwh) as quarter_hours
    from peaks
    where peak_kwh is not null
    group by scope_number, local_date
)
select
    scopes.site_id,
    scopes.scope,
    days.local_date,
    cast(days.peak_kwh * 4 as decimal(38, 9)) as peak_kw,
    {{ instant_of_rank('days.highest_rank', 'days.peak_kwh') }} as peak_at_utc,
    cast(days.complete_kwh as decimal(38, 9)) as complete_energy_kwh,
    cast(days.quarter_hours * 15 as bigint) as complete_minutes
from days
inner join (select distinct site_id, scope, scope_number from {{ ref('int_scope__meters') }}) as scopes
    on days.scope_number = scopes.scope_number
