-- A number for each meter, and one for its prices and factors, of this build: the long tables carry them in place of names
with histories as (
    select
        site_id,
        meter_id,
        string_agg(
            cast(valid_from as text) || ' ' || cast(valid_to as text) || ' ' || cast(kgco2e_per_kwh as text), ' '
            order by valid_from
        ) as factors
    from {{ ref('stg_lake__meter_factors') }}
    group by site_id, meter_id
)
select
    meters.site_id,
    meters.meter_id,
    meters.carrier,
    cast(row_number() over (order by meters.site_id, meters.meter_id) as integer) as meter_number,
    cast(
        dense_rank() over (order by meters.site_id, meters.carrier, coalesce(histories.factors, '')) as integer
    ) as calendar_number
from {{ ref('stg_lake__meters') }} as meters
left join histories on meters.site_id = histories.site_id and meters.meter_id = histories.meter_id
