-- KPIs per scope and local day
{{ period_mart('day') }}
