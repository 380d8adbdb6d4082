-- Views of boards over plans, commands and what people said about devices
create view boards.board_plan as
select
    site_id, plan_id, version, recorded_at_utc::timestamptz as recorded_at_utc,
    (plan::jsonb #>> '{request,start_utc}')::timestamptz as start_utc, plan::jsonb ->> 'status' as status,
    (plan::jsonb #>> '{steps,-1,end_utc}')::timestamptz as end_utc, plan::jsonb ->> 'solver' as solver,
    coalesce((plan::jsonb ->> 'money')::double precision, (plan::jsonb ->> 'objective')::double precision) as cost,
    (plan::jsonb ->> 'no_battery_cost')::double precision as unplanned_cost, plan::jsonb ->> 'currency' as currency,
    (plan::jsonb ->> 'gap')::double precision as gap, jsonb_array_length(plan::jsonb -> 'steps') as steps
from meterloom.plans;

create view boards.board_plan_step as
select
    plans.site_id, plans.plan_id, plans.version, plans.recorded_at_utc::timestamptz as recorded_at_utc,
    steps.start_utc, steps.end_utc, devices.device_id, figures.figure, figures.value::double precision as value
from meterloom.plans
cross join lateral jsonb_to_recordset(plans.plan::jsonb -> 'steps') as steps (
    start_utc timestamptz, end_utc timestamptz, import_kw double precision, export_kw double precision, devices jsonb
)
cross join lateral jsonb_each(
    steps.devices || jsonb_build_object('grid', jsonb_build_object('import_kw', import_kw, 'export_kw', export_kw))
) as devices (device_id, of_device)
cross join lateral jsonb_each_text(devices.of_device) as figures (figure, value);

create view boards.board_plan_state as
select
    site_id, plan_id, version, recorded_at_utc, start_utc, end_utc, device_id,
    coalesce(max(case when value > 0.0005 then case figure
        when 'battery_charge_kw' then 'charges' when 'battery_discharge_kw' then 'discharges'
        when 'ev_kw' then 'charges' when 'ev_discharge_kw' then 'discharges' when 'relays_kw' then 'heats'
        when 'curtailed_kw' then 'curtails' when 'import_kw' then 'imports' when 'export_kw' then 'exports'
        when 'heat_pump_kw' then 'heats' when 'heating_kw' then 'heats' when 'appliance_kw' then 'runs'
        when 'shed_kw' then 'sheds' end end), 'idle') as state
from boards.board_plan_step
group by site_id, plan_id, version, recorded_at_utc, start_utc, end_utc, device_id;

create view boards.board_command as
select
    site_id, command_id, plan_id, device_id, capability, value, unit, state, mode_at_issue, evidence_grade,
    valid_from_utc::timestamptz as valid_from_utc, valid_until_utc::timestamptz as valid_until_utc,
    state <> 'PROPOSED' as is_acted_on, coalesce(evidence_grade, 0) >= 3 as is_proven
from meterloom.commands;

create view boards.board_event as
select
    site_id, recorded_at_utc::timestamptz as at_utc, 'mode' as kind, device_id, person_id,
    mode || coalesce(' until ' || expires_utc, '') as what, reason
from meterloom.mode_events
union all
select
    site_id, recorded_at_utc::timestamptz, 'override', device_id, coalesce(person_id, ''),
    case when is_set then 'held by hand' || coalesce(' at ' || value, '') || coalesce(' until ' || until_utc, '')
        else 'given back' end, reason
from meterloom.hold_events
union all
select
    site_id, recorded_at_utc::timestamptz, 'fault', device_id, coalesce(person_id, ''),
    case when is_set then 'fault' else 'acknowledged' end, reason
from meterloom.fault_events;
