-- Meters as the site files name them
select site_id, meter_id, carrier, parent_meter_id, is_site_total, has_import, connected_load_kw
from {{ source('lake', 'meters') }}
