-- Energy, cost and carbon per UTC hour of scopes of whole meters; those of a single meter stand in mart_meter__hour_energy
select
    members.site_id,
    members.scope,
    members.carrier,
    hours.hour_start_utc,
    hours.local_date,
    cast(sum(members.sign * hours.energy_kwh) as decimal(38, 9)) as energy_kwh,
    cast(sum(hours.covered_minutes) as integer) as covered_minutes,
    max(members.meter_count) * 60 as expected_minutes,
    cast(sum(members.sign * hours.cost) as decimal(38, 15)) as cost,
    cast(sum(members.sign * hours.emission_kgco2e) as decimal(38, 15)) as emission_kgco2e,
    cast(sum(hours.unpriced_minutes) as integer) as unpriced_minutes,
    cast(sum(hours.unfactored_minutes) as integer) as unfactored_minutes
from {{ ref('mart_meter__hour_energy') }} as hours
inner join {{ ref('int_site__periods') }} as days
    on hours.site_id = days.site_id and hours.local_date = days.local_date and days.grain = 'day'
inner join {{ ref('int_scope__meters') }} as members
    on
        hours.site_id = members.site_id
        and hours.meter_id = members.meter_id
        and hours.local_date >= members.valid_from
        and hours.local_date < members.valid_to
-- A share of a meter is given out by days, so it has no hours.
where members.kind <> 'meter' and not members.is_allocated
group by members.site_id, members.scope, members.carrier, hours.hour_start_utc, hours.local_date
