"""Facts between a site's devices and commands that they follow: input of `meterloom next`."""

from typing import TYPE_CHECKING

from controls.ledger.modes import read_modes
from controls.ledger.two_people import open_requests
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from reports.lifecycle.control_steps import ControlFacts

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


def control_facts(project: "OpenProject", site: Site, option: str, clock: Clock) -> ControlFacts:
    """Everything that control_steps decides on. option: as commands need it."""
    # Only here: a solver and its kinds of device load in seconds.
    from controls.optimiser.devices.kinds import device_assets
    from controls.planning.context import PlanningContext
    from controls.planning.make import plan_obstacle
    from controls.planning.mends import command_of
    from controls.planning.plan_inputs import left_out, not_measured
    from orchestration.views.site_control import scopes

    now_utc = clock.now_utc()
    modes = read_modes(project.store, site.site_id, now_utc=now_utc)
    try:
        planned = [asset for asset, kind in device_assets(site) if kind.makes_a_plan]
        commanded = list(dict.fromkeys(name for name, _ in scopes(site)))
        context = PlanningContext(
            site=site,
            lake=project.lake,
            forecasts=project.forecasts,
            plans=project.plans,
            mode=modes.of(),
            # No device is asked: `next` decides on what is stored.
            read_states=dict,
            clock=clock,
            weather=project.weather,
        )
        found = plan_obstacle(context) if planned else None
    except BadInput as fault:
        # Its line and mend stand in the sentence; 'meterloom check' says them too.
        return ControlFacts(planned=("a device",), in_the_way=str(fault))
    plan = project.plans.latest(site.site_id)
    unknown = {} if plan is None else left_out(plan.request.inputs) | not_measured(plan.request.inputs)
    known = set() if plan is None else {one.device_id for one in plan.request.devices} - set(unknown)
    request = next(iter(open_requests(project.store, site.site_id, now_utc)), None)
    return ControlFacts(
        planned=tuple(asset.asset_id for asset in planned),
        in_the_way=found.message if found else "",
        mend=command_of(found, site, option) if found else "",
        has_plan=plan is not None and plan.steps[-1].end_utc > now_utc,
        connected=tuple(asset.asset_id for asset in planned if asset.template),
        answering=tuple(asset.asset_id for asset in planned if asset.template and asset.asset_id in known),
        mode=modes.of(),
        modes={name: modes.of(name) for name in commanded},
        kept_low=tuple(name for name in commanded if modes.own((name, "")).mode < Mode.PARTIAL),
        engineers=tuple(each.person_id for each in project.people.people if Role.ENGINEER in each.roles),
        request=None if request is None else request.request_id,
        requested_by="" if request is None else request.person_id,
    )
