"""Curtailment plan of a site for an event, by what its loads usually draw. Nothing is stored or commanded."""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from assets.stores.ledgers.dr_events import AcceptedLoads
from controls.demand_response.curtailment import Event, library_for, plan_curtailment
from data_quality.contracts.control.curtailment import CurtailmentPlan, Preference
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from orchestration.views.usual_load import usual_drivers, usual_power_kw

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


class Proposal(NamedTuple):
    """The plan, or a finding why the loads do not give the target; limits of the library; usual power of its meters in
    the steps of the event, kW.
    """

    plan: CurtailmentPlan | Finding
    limits: tuple[str, ...]
    drawn_kw: dict[str, list[float]]


def proposed_curtailment(
    project: "OpenProject", site: Site, event: Event, now_utc: datetime, *, preference: Preference
) -> Proposal:
    """The proposal for an event that was checked before. Raises BadInput (no_loads)."""
    if not site.sheddable_loads:
        mend = "add sheddable_loads to its file"
        raise BadInput(f"site {site.site_id} has no sheddable load", reason="no_loads", mend=mend)
    site = AcceptedLoads(project.store).site(site)
    drawn_kw = usual_power_kw(project.lake, site, event.steps(), now_utc=now_utc)
    drivers = usual_drivers(project.lake, site, event.start_utc, event.end_utc, now_utc=now_utc)
    library = library_for(site, event, now_utc=now_utc, drivers=drivers, drawn_kw=drawn_kw)
    return Proposal(plan_curtailment(site, event, library, preference=preference), library.limits, drawn_kw)
