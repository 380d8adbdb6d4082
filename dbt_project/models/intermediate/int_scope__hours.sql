-- Energy of the windows per scope of whole meters and UTC hour; a quarter of it is known where every meter of the scope is present
{% set quarters = ['first', 'second', 'third', 'fourth'] %}
with members as (
    select
        scopes.scope_number,
        meters.meter_number,
        scopes.valid_from,
        scopes.valid_to,
        scopes.meter_count,
        scopes.sign < 0 as is_taken_out
    from {{ ref('int_scope__meters') }} as scopes
    inner join {{ ref('int_meter__numbers') }} as meters
        on scopes.site_id = meters.site_id and scopes.meter_id = meters.meter_id
    -- A share of a meter is given out by days, so it has no hours; a single meter has its own.
    where scopes.kind <> 'meter' and not scopes.is_allocated
),
hours as (
    select
        members.scope_number,
        members.meter_count,
        hours.hour_number,
        hours.local_date,
        {% for name in quarters %}
        case when members.is_taken_out then -hours.{{ name }}_kwh else hours.{{ name }}_kwh end as {{ name }}_kwh,
        {% endfor %}
        {% for name in ['energy_kwh', 'cost', 'emission_kgco2e'] %}
        case when members.is_taken_out then -hours.{{ name }} else hours.{{ name }} end as {{ name }},
        {% endfor %}
        hours.readings,
        hours.priced_readings,
        case when hours.emission_kgco2e is null then 0 else hours.readings end as factored_readings
    from {{ ref('int_meter__hours') }} as hours
    inner join members
        on
            hours.meter_number = members.meter_number
            and hours.local_date >= members.valid_from
            and hours.local_date < members.valid_to
)
select
    scope_number,
    hour_number,
    local_date,
    max(meter_count) as meter_count,
    {% for name in quarters %}
    cast(case when count({{ name }}_kwh) = max(meter_count) then sum({{ name }}_kwh) end as decimal(38, 9)) as {{ name }}_kwh,
    {% endfor %}
    cast(sum(energy_kwh) as decimal(38, 9)) as energy_kwh,
    cast(sum(cost) as decimal(38, 15)) as cost,
    cast(sum(emission_kgco2e) as decimal(38, 15)) as emission_kgco2e,
    cast(sum(readings) as integer) as readings,
    cast(sum(priced_readings) as integer) as priced_readings,
    cast(sum(factored_readings) as integer) as factored_readings
from hours
group by scope_number, hour_number, local_date
