-- Which meters make up a significant energy use
select site_id, seu_id, meter_id
from {{ source('lake', 'seu_meters') }}
