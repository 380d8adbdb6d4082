-- Views of boards over the transactional store, whose times and documents are texts
create view boards.board_baseline as
with decided as (
    select
        versions.site_id, versions.seu_id, versions.baseline_type, versions.baseline_id, versions.version,
        versions.baseline::jsonb as fit, approvals.person_id as decided_by, approvals.outcome,
        approvals.recorded_at_utc::timestamptz as decided_at_utc, approvals.baseline_id is not null as is_decided,
        max(versions.version) filter (where approvals.baseline_id is not null and approvals.outcome is null)
            over (partition by versions.baseline_id) as newest_approved
    from meterloom.baseline_versions as versions
    left join meterloom.baseline_approvals as approvals
        on versions.baseline_id = approvals.baseline_id and versions.version = approvals.version
)
select
    site_id, seu_id, baseline_type, baseline_id, version, decided_by, decided_at_utc,
    case when not is_decided then 'provisional' when outcome = 'rejected' then 'rejected'
        when version = newest_approved then 'approved' else 'superseded' end as status,
    (fit ->> 'train_start')::date as train_start, (fit ->> 'train_end')::date as train_end,
    (fit -> 'statistics' ->> 'n')::integer as days, (fit -> 'statistics' ->> 'r2')::double precision as r2,
    (fit -> 'statistics' ->> 'rmse_dof')::double precision as rmse_kwh,
    100 * (fit -> 'statistics' ->> 'cvrmse_g14')::double precision as cvrmse_percent,
    'Energy [kWh/day] = ' || replace((
        select string_agg(
            trim_scale(round(value, 5 - floor(log(greatest(abs(value), 1e-12)))::integer))
            || case when name = 'intercept' then '' else '*' || name end, ' + ' order by place)
        from rows from (jsonb_to_recordset(fit -> 'coefficients') as (name text, value numeric))
            with ordinality as terms (name, value, place)
    ), '+ -', '- ') as formula
from decided;

create view boards.board_forecast as
select
    forecasts.site_id, forecasts.target, forecasts.issued_at_utc::timestamptz as issued_at_utc, rows.time_utc,
    coalesce(rows.p10, rows.p10_kwh) as p10, coalesce(rows.p50, rows.p50_kwh) as p50,
    coalesce(rows.p90, rows.p90_kwh) as p90, forecasts.forecast::jsonb ->> 'unit' as unit,
    forecasts.recorded_at_utc
from meterloom.forecasts
cross join lateral jsonb_to_recordset(forecasts.forecast::jsonb -> 'rows') as rows (
    time_utc timestamptz, p10 double precision, p50 double precision, p90 double precision,
    p10_kwh double precision, p50_kwh double precision, p90_kwh double precision
)
where forecasts.target not like 'shadow %';

create view boards.board_score as
select distinct on (site_id, target, local_day, lead, model_name, model_version, is_shadow)
    site_id, target, local_day, lead, model_name, model_version, is_shadow, (score::jsonb ->> 'n')::integer as n,
    (score::jsonb ->> 'coverage')::double precision as coverage, (score::jsonb ->> 'crps')::double precision as crps,
    (score::jsonb ->> 'pinball')::double precision as pinball, (score::jsonb ->> 'nrmse')::double precision as nrmse,
    (score::jsonb ->> 'bias')::double precision as bias,
    1 - (score::jsonb ->> 'crps')::double precision / nullif((score::jsonb ->> 'floor_crps')::double precision, 0) as skill
from meterloom.forecast_scores
order by site_id, target, local_day, lead, model_name, model_version, is_shadow, id desc;
