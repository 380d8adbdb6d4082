-- KPIs per scope and local month, with what twelve of them are summed up from
{{ period_mart('month', more=['scope_days', 'area_m2_sum']) }}
