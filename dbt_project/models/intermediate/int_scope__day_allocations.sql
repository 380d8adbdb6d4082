-- Each day's amounts of shared meters, given out to the scopes of one kind by largest remainder: to the last digit their whole
with shared as (
    select
        members.kind,
        members.scope,
        members.share,
        days.*
    from {{ ref('int_scope__meters') }} as members
    inner join {{ ref('int_meter__day_energy') }} as days
        on
            members.site_id = days.site_id
            and members.meter_id = days.meter_id
            and days.local_date >= members.valid_from
            and days.local_date < members.valid_to
    where members.share < 1
),
{% set amounts = [('energy_kwh', '1000000000'), ('cost', '1000000000000000'), ('emission_kgco2e', '1000000000000000')] %}
wholes as (
    select
        site_id,
        kind,
        scope,
        meter_id,
        local_date,
        cast(cast(share as decimal(38, 6)) * 1000000 as decimal(38, 0)) as micro_share
        {% for name, scale in amounts %}
        , case when {{ name }} < 0 then -1 else 1 end as {{ name }}_sign
        , cast(abs({{ name }}) * {{ scale }} as decimal(38, 0)) as {{ name }}_units
        {% endfor %}
    from shared
),
parts as (
    select
        *
        {% for name, _ in amounts %}
        , {{ whole_quotient(name ~ '_units * micro_share', '1000000') }} as {{ name }}_part
        {% endfor %}
    from wholes
),
ranked as (
    select
        *
        {% for name, _ in amounts %}
        , {{ name }}_units - sum({{ name }}_part) over (partition by site_id, kind, meter_id, local_date) as {{ name }}_left
        , row_number() over (
            partition by site_id, kind, meter_id, local_date
            order by {{ name }}_units * micro_share - {{ name }}_part * 1000000 desc, scope
        ) as {{ name }}_rank
        {% endfor %}
    from parts
)
select
    site_id,
    scope,
    meter_id,
    local_date
    {% for name, scale in amounts %}
    , cast(
        cast({{ name }}_sign * ({{ name }}_part + case when {{ name }}_rank <= {{ name }}_left then 1 else 0 end) as decimal(38, 0))
        * cast(0.{{ '0' * (scale | length - 2) }}1 as decimal({{ scale | length }}, {{ scale | length - 1 }}))
        as decimal(38, {{ scale | length - 1 }})
    ) as {{ name }}
    {% endfor %}
from ranked
