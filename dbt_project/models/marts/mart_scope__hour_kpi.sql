-- Energy, cost and carbon per UTC hour of scopes of whole meters; those of a single meter stand in mart_meter__hour_energy
select
    scopes.site_id,
    scopes.scope,
    scopes.carrier,
    to_timestamp(hours.hour_number * 3600) as hour_start_utc,
    hours.local_date,
    hours.energy_kwh,
    cast(greatest(hours.first_kwh, hours.second_kwh, hours.third_kwh, hours.fourth_kwh) * 4 as decimal(38, 9)) as peak_kw,
    hours.readings * 15 as covered_minutes,
    hours.meter_count * 60 as expected_minutes,
    hours.cost,
    hours.emission_kgco2e,
    (hours.readings - hours.priced_readings) * 15 as unpriced_minutes,
    (hours.readings - hours.factored_readings) * 15 as unfactored_minutes
from {{ ref('int_scope__hours') }} as hours
inner join (select distinct site_id, scope, carrier, scope_number from {{ ref('int_scope__meters') }}) as scopes
    on hours.scope_number = scopes.scope_number
