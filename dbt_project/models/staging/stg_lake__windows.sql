-- Which local days of which sites this run computes: whole months, half-open
select site_id, first_date, after_date, is_whole_site
from {{ source('lake', 'windows') }}
