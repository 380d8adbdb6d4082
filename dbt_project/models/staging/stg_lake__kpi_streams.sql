-- Streams beside import energy that KPIs are made of, with their role and the local days on which they play it
select site_id, scope, role, stream_id, register, valid_from, valid_to
from {{ source('lake', 'kpi_streams') }}
