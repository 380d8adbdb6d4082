-- Self-consumption and self-sufficiency of all sites together; a site without generation has none, one with a gap leaves no value
{% set made, fed, bought = 'made.value', 'coalesce(fed.value, 0)', 'bought.value' %}
{% set kpis = [
    ('self_consumption_rate', '(' ~ made ~ ' - ' ~ fed ~ ') / nullif(' ~ made ~ ', 0)', 'true'),
    ('self_sufficiency', '(' ~ made ~ ' - ' ~ fed ~ ') / nullif(' ~ bought ~ ' + ' ~ made ~ ' - ' ~ fed ~ ', 0)', 'false'),
] %}
with sums as (select * from {{ ref('int_portfolio__kpi_sums') }} where scope = 'portfolio'),
known as (
    {% for kpi, value, is_of_generation in kpis %}
    select
        made.site_id, made.scope, made.carrier, made.grain, made.period_start, made.period_end,
        '{{ kpi }}' as kpi,
        case
            when made.value is null or bought.value is null or bought.sites < bought.expected_sites then 'site_missing'
            when fed.expected_sites is null or fed.expected_sites < made.expected_sites then 'no_export_register'
            when fed.value is null then 'site_missing'
            when made.coverage < 0.99 or (not {{ is_of_generation }} and bought.coverage < 0.99) then 'gap'
            when made.value <= 0 then 'no_generation'
            when fed.value > made.value then 'export_exceeds_generation'
            when bought.value + made.value - fed.value <= 0 then 'no_load'
        end as block,
        {{ value }} as ratio,
        least(made.coverage, bought.coverage) as coverage,
        greatest(made.estimated_share, bought.estimated_share) as estimated_share,
        coalesce(made.finding, fed.finding) as warning,
        made.is_synthetic or bought.is_synthetic as is_synthetic,
        made.sites,
        made.expected_sites
    from (select * from sums where kpi = 'generation_kwh') as made
    left join (select * from sums where kpi = 'export_kwh') as fed
        on made.grain = fed.grain and made.period_start = fed.period_start
    inner join (select * from sums where kpi = 'consumption_kwh') as bought
        on made.grain = bought.grain and made.period_start = bought.period_start
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)
select
    site_id, scope, carrier, grain, period_start, period_end, kpi,
    cast(case when block is null then ratio end as double precision) as value,
    cast(null as decimal(38, 15)) as exact,
    '1' as unit,
    coverage,
    estimated_share,
    cast(coalesce(block, warning) as text) as finding,
    is_synthetic,
    sites,
    expected_sites
from known
