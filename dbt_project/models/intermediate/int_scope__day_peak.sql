-- Highest quarter hour of each scope and local day, among those in which every meter of the scope is present
with quarter_hours as (
    select
        scopes.site_id,
        scopes.scope,
        energy.local_date,
        energy.interval_start_utc,
        sum(case when scopes.sign < 0 then -energy.energy_kwh else energy.energy_kwh end) as energy_kwh
    from {{ ref('int_meter__quarter_hour_energy') }} as energy
    inner join {{ ref('int_scope__meters') }} as scopes
        on
            energy.site_id = scopes.site_id
            and energy.meter_id = scopes.meter_id
            and energy.local_date >= scopes.valid_from
            and energy.local_date < scopes.valid_to
    -- A share of a meter has amounts, and no demand of its own.
    where not scopes.is_allocated
    group by scopes.site_id, scopes.scope, energy.local_date, energy.interval_start_utc
    having count(*) = max(scopes.meter_count)
),
days as (
    select
        site_id,
        scope,
        local_date,
        max(energy_kwh) as peak_kwh,
        cast(sum(energy_kwh) as decimal(38, 9)) as complete_energy_kwh,
        cast(count(*) * 15 as bigint) as complete_minutes
    from quarter_hours
    group by site_id, scope, local_date
)
select
    days.site_id,
    days.scope,
    days.local_date,
    cast(max(days.peak_kwh) * 4 as decimal(38, 9)) as peak_kw,
    min(quarter_hours.interval_start_utc) as peak_at_utc,
    cast(max(days.complete_energy_kwh) as decimal(38, 9)) as complete_energy_kwh,
    max(days.complete_minutes) as complete_minutes
from days
inner join quarter_hours
    on
        days.site_id = quarter_hours.site_id
        and days.scope = quarter_hours.scope
        and days.local_date = quarter_hours.local_date
        and days.peak_kwh = quarter_hours.energy_kwh
group by days.site_id, days.scope, days.local_date
