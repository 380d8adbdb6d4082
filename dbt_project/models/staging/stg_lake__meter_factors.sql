-- The location-based factor of each meter's energy over spans of local days; days without one are not there
select site_id, meter_id, valid_from, valid_to, kgco2e_per_kwh
from {{ source('lake', 'meter_factors') }}
