-- Three renewable shares of a site's electricity (used of the generated, generated of the used, contracted of the bought) and their energies
{% set made, fed, bought = nano_double('generated_kwh'), nano_double('exported_kwh'), nano_double('energy_kwh') %}
{% set unknown = "case when generated_kwh is null then 'no_generation' when exported_kwh is null then 'no_export_register'"
    ~ " when stream_minutes < 0.99 * stream_expected then 'gap'" %}
{% set kpis = [
    {
        'kpi': 'self_consumption_rate', 'unit': "'1'", 'value': '(' ~ made ~ ' - ' ~ fed ~ ') / ' ~ made,
        'blocks': unknown ~ " when generated_kwh <= 0 then 'no_generation'"
            ~ " when exported_kwh > generated_kwh then 'export_exceeds_generation' end",
    },
    {
        'kpi': 'self_sufficiency', 'unit': "'1'",
        'value': '(' ~ made ~ ' - ' ~ fed ~ ') / (' ~ bought ~ ' + ' ~ made ~ ' - ' ~ fed ~ ')',
        'blocks': unknown ~ " when covered_minutes < 0.99 * expected_minutes then 'gap'"
            ~ " when exported_kwh > generated_kwh then 'export_exceeds_generation'"
            ~ " when energy_kwh + generated_kwh - exported_kwh <= 0 then 'no_load' end",
    },
    {
        'kpi': 'contractual_renewable_share', 'unit': "'1'", 'value': nano_double('contracted_kwh') ~ ' / ' ~ bought,
        'rows': "grain <> 'day'",
        'blocks': "case when covered_minutes = 0 then 'no_readings' when coalesce(uncontracted_days, 1) > 0 then 'no_contract'"
            ~ " when energy_kwh <= 0 then 'no_load' end",
    },
    {
        'kpi': 'generation_kwh', 'value': 'generated_kwh', 'exact': 'generated_kwh', 'unit': "'kwh'",
        'rows': 'has_generation', 'blocks': "case when generated_kwh is null then 'no_readings' end",
        'coverage': 'stream_minutes / cast(stream_expected as double precision)',
        'warns': "case when stream_minutes < stream_expected then 'gap' end",
    },
    {
        'kpi': 'export_kwh', 'value': 'exported_kwh', 'exact': 'exported_kwh', 'unit': "'kwh'",
        'rows': 'has_export', 'blocks': "case when exported_kwh is null then 'no_readings' end",
        'coverage': 'stream_minutes / cast(stream_expected as double precision)',
        'warns': "case when stream_minutes < stream_expected then 'gap' end",
    },
    {
        'kpi': 'contracted_kwh', 'value': 'contracted_kwh', 'exact': 'contracted_kwh', 'unit': "'kwh'",
        'rows': "grain <> 'day' and uncontracted_days = 0", 'blocks': "case when covered_minutes = 0 then 'no_readings' end",
    },
] %}
{{ kpi_rows(ref('int_site__renewable_energies'), kpis) }}
