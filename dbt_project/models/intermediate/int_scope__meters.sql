-- The meters behind each scope on local days [valid_from, valid_to): those that import energy, as the site files say
select
    site_id, scope, kind, carrier, meter_id, valid_from, valid_to, sign, share, meter_count, is_allocated,
    dense_rank() over (order by site_id, scope) as scope_number
from {{ ref('stg_lake__scope_members') }}
