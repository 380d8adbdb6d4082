-- Imported energy per meter and UTC hour; covered_minutes below 60 marks a hole
select
    site_id,
    meter_id,
    carrier,
    to_timestamp({{ utc_number('interval_start_utc', 3600) }} * 3600) as hour_start_utc,
    local_date,
    cast(sum(energy_kwh) as decimal(38, 9)) as energy_kwh,
    cast(sum(interval_minutes) as integer) as covered_minutes,
    cast(sum(cost) as decimal(38, 15)) as cost,
    cast(sum(emission_kgco2e) as decimal(38, 15)) as emission_kgco2e,
    cast(sum(case when cost is null then interval_minutes else 0 end) as integer) as unpriced_minutes,
    cast(sum(case when emission_kgco2e is null then interval_minutes else 0 end) as integer) as unfactored_minutes
from {{ ref('int_meter__quarter_hour_energy') }}
group by site_id, meter_id, carrier, {{ utc_number('interval_start_utc', 3600) }}, local_date
