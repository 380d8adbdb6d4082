-- KPIs per scope and local year
{{ period_mart('year') }}
