-- Views of boards over the warehouse; what stands in site files comes with them (board_views.py)
create or replace function boards.enpi_status(
    actual_kwh numeric, expected_kwh numeric, policy text, warn_percent numeric, crit_percent numeric, target_percent numeric
) returns text language sql immutable as $$
-- Without a division: at a bound the answer must not hang on the last digit of a quotient.
select case
    when judged <= expected_kwh * case when policy = 'target' then -target_percent else warn_percent end then 'compliant'
    when judged > expected_kwh * crit_percent then 'critical'
    else 'warning'
end
from (
    select 100 * case when policy = 'symmetric' then abs(actual_kwh - expected_kwh) else actual_kwh - expected_kwh end as judged
) as deviation
$$;

create view boards.board_kpi as
select
    site_id, scope, grain, period_start, period_end,
    to_char(period_start, case grain when 'day' then 'YYYY-MM-DD' when 'month' then 'YYYY-MM' else 'YYYY' end) as period,
    kpi, value, unit, coverage, finding
from marts.mart_site__kpi_values;

create view boards.board_grid as
select
    site_id, local_date, interval_start_utc, cast(import_kwh as double precision) as import_kwh,
    cast(export_kwh as double precision) as export_kwh
from marts.mart_site__quarter_hour_running;

create view boards.board_meter_hour as
select site_id, meter_id, hour_start_utc, cast(energy_kwh as double precision) as energy_kwh, covered_minutes
from marts.mart_meter__hour_energy;

create view boards.board_temperature as
select site_id, local_date, station, cast(mean_degc as double precision) as mean_degc from marts.mart_site__degree_days;

create view boards.board_enpi_day as
select
    site_id, seu_id, local_date, cast(actual_kwh as double precision) as actual_kwh,
    cast(expected_kwh as double precision) as expected_kwh, is_compared, baseline_id, baseline_version
from marts.mart_seu__day_enpi;

create view boards.board_enpi_quarter as
with quarters as (
    select
        days.site_id, days.seu_id, cast(date_trunc('quarter', cast(days.local_date as timestamp)) as date) as quarter_start,
        max(days.baseline_id) as baseline_id, max(days.baseline_version) as baseline_version,
        sum(days.actual_kwh) filter (where days.is_compared) as actual_kwh,
        sum(days.expected_kwh) filter (where days.is_compared) as expected_kwh,
        count(*) filter (where days.is_compared) as compared_days, count(days.actual_kwh) as read_days
    from marts.mart_seu__day_enpi as days
    group by days.site_id, days.seu_id, date_trunc('quarter', cast(days.local_date as timestamp))
),
judged as (
    select
        quarters.*, uses.policy, uses.warn_percent, uses.crit_percent, uses.target_percent,
        cast(quarters.quarter_start + interval '3 months' as date) - quarters.quarter_start as days,
        case
            when quarters.baseline_id is null then 'no_baseline'
            when baselines.status not in ('approved', 'superseded') then 'provisional'
            when quarters.compared_days < uses.min_days_share
                * (cast(quarters.quarter_start + interval '3 months' as date) - quarters.quarter_start) then 'coverage'
            when coalesce(quarters.expected_kwh, 0) <= 0 then 'expected'
            else ''
        end as reason
    from quarters
    inner join boards.board_use as uses on quarters.site_id = uses.site_id and quarters.seu_id = uses.seu_id
    left join boards.board_baseline as baselines
        on quarters.baseline_id = baselines.baseline_id and quarters.baseline_version = baselines.version
    where quarters.read_days > 0
)
select
    site_id, seu_id, quarter_start, to_char(quarter_start, 'YYYY-"Q"Q') as quarter, baseline_id, baseline_version,
    cast(actual_kwh as double precision) as actual_kwh, cast(expected_kwh as double precision) as expected_kwh,
    cast(100 * (actual_kwh - expected_kwh) / nullif(greatest(expected_kwh, 0), 0) as double precision) as deviation_percent,
    cast(100 * actual_kwh / nullif(greatest(expected_kwh, 0), 0) as double precision) as enpi_index,
    case when reason = '' then boards.enpi_status(actual_kwh, expected_kwh, policy, warn_percent, crit_percent, target_percent)
        else 'not_assessable' end as status,
    reason, days, compared_days
from judged;
