-- The meters behind each scope: a meter itself, an SEU, or the site's electricity; only those that import energy
with importing as (
    select site_id, meter_id, carrier, is_site_total
    from {{ ref('stg_lake__meters') }}
    where has_import
),
members as (
    select site_id, 'meter:' || meter_id as scope, meter_id, carrier
    from importing
    union all
    select seus.site_id, 'seu:' || seus.seu_id as scope, seus.meter_id, importing.carrier
    from {{ ref('stg_lake__seu_meters') }} as seus
    inner join importing on seus.site_id = importing.site_id and seus.meter_id = importing.meter_id
    union all
    select site_id, 'site:' || site_id as scope, meter_id, carrier
    from importing
    where is_site_total and carrier = 'electricity'
),
scopes as (
    select site_id, scope, count(*) as meter_count, min(carrier) as first_carrier, max(carrier) as last_carrier
    from members
    group by site_id, scope
)
select
    members.site_id,
    members.scope,
    members.meter_id,
    case when scopes.first_carrier = scopes.last_carrier then scopes.first_carrier else 'mixed' end as carrier,
    cast(scopes.meter_count as integer) as meter_count
from members
inner join scopes on members.site_id = scopes.site_id and members.scope = scopes.scope
