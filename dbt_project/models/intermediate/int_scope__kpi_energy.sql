-- Consumption, peak, factors, cost and carbon of every scope and period as rows; a code stands where a value cannot be known
{% set unread = "when covered_minutes = 0 then 'no_readings'" %}
{% set demand = "case " ~ unread ~ " when is_allocated then 'share_has_no_demand' when peak_kw is null then 'gap' end" %}
{# Before a gap, which the coverage tells as well. #}
{% set coarse = "case when max_source_minutes > 15 then 'coarse_source' else warning end" %}
{% set kpis = [
    {
        'kpi': 'consumption_kwh', 'value': 'energy_kwh', 'exact': 'energy_kwh', 'unit': "'kwh'",
        'blocks': "case " ~ unread ~ " end",
    },
    {
        'kpi': 'peak_15min_kw', 'value': 'peak_kw', 'exact': 'peak_kw', 'unit': "'kw'", 'blocks': demand,
        'warns': coarse,
    },
    {
        'kpi': 'load_factor', 'value': 'load_factor', 'unit': "'1'",
        'blocks': "coalesce(" ~ demand ~ ", case when load_factor is null then 'no_load' end)", 'warns': coarse,
    },
    {
        'kpi': 'demand_factor', 'unit': "'1'",
        'value': nano_double('peak_kw') ~ ' * period_days / ' ~ nano_double('connected_load_kw_sum'),
        'blocks': "coalesce(" ~ demand ~ ", case when connected_load_kw_sum is null then 'no_connected_load' end)",
        'rows': "grain <> 'day' or connected_load_kw_sum is not null", 'warns': coarse,
    },
    {
        'kpi': 'cost', 'value': 'cost', 'exact': 'cost', 'unit': 'currency', 'rows': 'carrier in ' ~ bought_carriers(),
        'coverage': '(covered_minutes - unpriced_minutes) / cast(expected_minutes as double precision)',
        'blocks': "case " ~ unread ~ " when cost is null then 'no_price' end",
        'warns': "case when unpriced_minutes > 0 then 'no_price' else warning end",
    },
    {
        'kpi': 'emission_kgco2e', 'value': 'emission_kgco2e', 'exact': 'emission_kgco2e', 'unit': "'kgco2e'",
        'rows': 'carrier in ' ~ bought_carriers(),
        'coverage': '(covered_minutes - unfactored_minutes) / cast(expected_minutes as double precision)',
        'blocks': "case " ~ unread ~ " when emission_kgco2e is null then 'no_factor' end",
        'warns': "case when unfactored_minutes > 0 then 'no_factor' else warning end",
    },
] %}
{{ kpi_rows(ref('int_scope__period_kpi'), kpis) }}
