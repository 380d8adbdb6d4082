-- Dated facts over each day, month and year: sums over days, and on how many of them a fact is known
{% set names = ['area_m2', 'occupants', 'connected_load_kw'] %}
select
    facts.site_id,
    facts.scope,
    periods.grain,
    periods.period_start
    {% for name in names %}
    , cast(sum(case when facts.fact = '{{ name }}' then facts.amount end) as decimal(38, 6)) as {{ name }}_sum
    , cast(count(case when facts.fact = '{{ name }}' then 1 end) as integer) as {{ name }}_days
    {% endfor %}
from {{ ref('stg_lake__scope_facts') }} as facts
inner join {{ ref('int_site__periods') }} as periods
    on
        facts.site_id = periods.site_id
        and periods.local_date >= facts.valid_from
        and periods.local_date < facts.valid_to
where facts.fact <> 'contract_share'
group by facts.site_id, facts.scope, periods.grain, periods.period_start
