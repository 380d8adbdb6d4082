-- Which meters make up each scope over which local days, half-open; taken out where sign is -1, shared where share < 1
select
    site_id, scope, kind, carrier, meter_id, valid_from, valid_to, sign, share, meter_count, is_allocated
from {{ source('lake', 'scope_members') }}
