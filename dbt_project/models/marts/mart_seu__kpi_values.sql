-- Difference to the baseline of every SEU and period as rows: both signs in kWh, and in percent of what was expected
{% set kpis = [
    ('delta_kwh', 'kwh', 'delta_kwh'), ('savings_kwh', 'kwh', 'savings_kwh'),
    (
        'delta_percent', 'percent', 'case when expected_kwh > 0 then 100 * '
        ~ nano_double('delta_kwh') ~ ' / ' ~ nano_double('expected_kwh') ~ ' end',
    ),
] %}
{% for kpi, unit, value in kpis %}
select
    site_id,
    'seu:' || seu_id as scope,
    grain,
    period_start,
    period_end,
    '{{ kpi }}' as kpi,
    cast({{ value }} as double precision) as value,
    cast({{ value if unit == 'kwh' else 'null' }} as decimal(38, 15)) as exact,
    '{{ unit }}' as unit,
    compared_days / cast(period_days as double precision) as coverage,
    estimated_share,
    cast(
        case
            when baseline_id is null then 'no_baseline'
            when compared_days = 0 then 'no_compared_day'
            when {{ value }} is null then 'no_expected_energy'
            when compared_days < period_days then 'partial_comparison'
        end as text
    ) as finding,
    is_synthetic,
    baseline_id,
    baseline_version
from {{ ref('int_seu__period_enpi') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
