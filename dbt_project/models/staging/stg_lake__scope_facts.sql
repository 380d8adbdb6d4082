-- Dated facts of scopes: floor area, people, connected load, contractual renewable share
select site_id, scope, fact, valid_from, valid_to, amount
from {{ source('lake', 'scope_facts') }}
