-- Imported energy per meter and UTC hour; covered_minutes below 60 marks a hole
select
    meters.site_id,
    meters.meter_id,
    meters.carrier,
    to_timestamp(hours.hour_number * 3600) as hour_start_utc,
    hours.local_date,
    hours.energy_kwh,
    cast(greatest(hours.first_kwh, hours.second_kwh, hours.third_kwh, hours.fourth_kwh) * 4 as decimal(38, 9)) as peak_kw,
    hours.readings * 15 as covered_minutes,
    hours.cost,
    hours.emission_kgco2e,
    (hours.readings - hours.priced_readings) * 15 as unpriced_minutes,
    case when hours.emission_kgco2e is null then hours.readings * 15 else 0 end as unfactored_minutes
from {{ ref('int_meter__hours') }} as hours
inner join {{ ref('int_meter__numbers') }} as meters on hours.meter_number = meters.meter_number
