-- By which temperature, method and bases a site's degree days are made
select site_id, stream_id, station, method, heating_base_degc, cooling_base_degc
from {{ source('lake', 'degree_rules') }}
