-- Highest quarter hour of each scope and local day, among those in which every meter of the scope is present
with scopes as (
    select
        site_id, scope, meter_id, valid_from, valid_to, sign, meter_count,
        dense_rank() over (order by site_id, scope) as scope_number
    from {{ ref('int_scope__meters') }}
    -- A share of a meter has amounts, and no demand of its own.
    where not is_allocated
),
-- A scope of one meter has that meter's quarter hours: nothing is to be added up.
quarter_hours as (
    select
        scopes.scope_number,
        energy.local_date,
        energy.interval_start_utc,
        case when scopes.sign < 0 then -energy.energy_kwh else energy.energy_kwh end as energy_kwh
    from {{ ref('int_meter__quarter_hour_energy') }} as energy
    inner join scopes
        on
            energy.site_id = scopes.site_id
            and energy.meter_id = scopes.meter_id
            and energy.local_date >= scopes.valid_from
            and energy.local_date < scopes.valid_to
    where scopes.meter_count = 1
    union all
    select
        scopes.scope_number,
        min(energy.local_date) as local_date,
        energy.interval_start_utc,
        sum(case when scopes.sign < 0 then -energy.energy_kwh else energy.energy_kwh end) as energy_kwh
    from {{ ref('int_meter__quarter_hour_energy') }} as energy
    inner join scopes
        on
            energy.site_id = scopes.site_id
            and energy.meter_id = scopes.meter_id
            and energy.local_date >= scopes.valid_from
            and energy.local_date < scopes.valid_to
    where scopes.meter_count > 1
    group by scopes.scope_number, energy.interval_start_utc
    having count(*) = max(scopes.meter_count)
),
days as (
    select
        scope_number,
        local_date,
        max(energy_kwh) as peak_kwh,
        max({{ earliest_rank('energy_kwh', 'interval_start_utc') }}) as highest_rank,
        sum(energy_kwh) as complete_energy_kwh,
        count(*) as quarter_hours
    from quarter_hours
    group by scope_number, local_date
)
select
    scopes.site_id,
    scopes.scope,
    days.local_date,
    cast(days.peak_kwh * 4 as decimal(38, 9)) as peak_kw,
    {{ instant_of_rank('days.highest_rank', 'days.peak_kwh') }} as peak_at_utc,
    cast(days.complete_energy_kwh as decimal(38, 9)) as complete_energy_kwh,
    cast(days.quarter_hours * 15 as bigint) as complete_minutes
from days
inner join (select distinct site_id, scope, scope_number from scopes) as scopes
    on days.scope_number = scopes.scope_number
