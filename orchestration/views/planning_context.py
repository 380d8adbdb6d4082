"""Planning context: lake, forecasts, plans, mode, device states, and how far devices kept to a plan; and why a
site has no plan, kept for boards, doctor, status and `meterloom next` until it is mended.
"""

from datetime import datetime

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from assets.stores.ledgers.job_outcomes import DEVICES, TO_MEND, JobOutcome, record_outcomes, withdraw_obstacle
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from controls.ledger.device_holds import open_holds
from controls.ledger.modes import current_mode, open_holiday
from controls.ledger.rows import read_commands
from controls.planning.context import PlanningContext, state_reader
from controls.planning.execution import since_plan
from controls.planning.mends import sentence_of
from controls.planning.triggers import Since
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock


def planning_context(project: Project, store: Store, lake: Lake, site: Site, clock: Clock) -> PlanningContext:
    """The context of a site. Raises BadInput where none of its devices can be asked."""

    def read_since(plan: Plan, now_utc: datetime) -> Since:
        return since_plan(
            plan,
            site,
            lake=lake,
            ledger=read_commands(store, site.site_id, plan_id=plan.plan_id),
            holds=open_holds(store, site.site_id, now_utc),
            now_utc=now_utc,
        )

    holiday = open_holiday(store, site.site_id, clock.now_utc())
    return PlanningContext(
        site=site,
        lake=lake,
        forecasts=ForecastStore(store),
        plans=PlanStore(store),
        mode=current_mode(store, site.site_id, now_utc=clock.now_utc()),
        read_states=state_reader(site, project.settings, clock),
        clock=clock,
        read_since=read_since,
        away_until_utc=None if holiday is None else holiday.until_utc,
        weather=WeatherStore(store),
        experiments=ExperimentStore(store),
    )


JOB = "plan"


def record_requested_plan(store: Store, site: Site, refused: Finding | None, clock: Clock) -> None:
    """Keep why the plan that a person asked for was not made, or that it was. Raises Unreachable."""
    if refused is not None:
        _keep(store, JOB, site, sentence_of(refused, site), clock)
        return
    made = JobOutcome.of_no_run(JOB, site.site_id, "", clock.now_utc())
    record_outcomes(store, [made.model_copy(update={"outcome": "succeeded"})], clock)


def record_plan_check(store: Store, site: Site, found: Finding | None, clock: Clock) -> None:
    """Keep what a look at a site's plan found: what stands in its way, or a device that it goes without.

    What a run failed of stays until a run succeeds. Raises Unreachable.
    """
    if found is not None and found.is_blocking:
        _keep(store, JOB, site, sentence_of(found, site), clock)
        return
    withdraw_obstacle(store, JOB, site.site_id, clock)
    if found is None:
        withdraw_obstacle(store, DEVICES, site.site_id, clock)
    else:
        mend = f"meterloom devices test DEVICE --site {site.site_id}"
        _keep(store, DEVICES, site, f"{found.message}{TO_MEND}{mend}", clock)


def record_site_fault(store: Store, site: Site, fault: WorldFault, clock: Clock) -> None:
    """Keep a fault of the site file that no run would be asked for with. Raises Unreachable."""
    _keep(store, JOB, site, f"{fault}{TO_MEND}sites/{site.site_id}.yaml", clock)


def _keep(store: Store, job: str, site: Site, sentence: str, clock: Clock) -> None:
    record_outcomes(store, [JobOutcome.of_no_run(job, site.site_id, sentence, clock.now_utc())], clock)
