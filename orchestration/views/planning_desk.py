"""Planning desk of a site: lake, forecasts, plans, mode, device states, and how far devices kept to a plan."""

from datetime import datetime

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from assets.stores.weather_issues import WeatherStore
from controls.ledger.device_holds import open_holds
from controls.ledger.holidays import open_holiday
from controls.ledger.modes import current_mode
from controls.ledger.rows import read_commands
from controls.planning.desk import Desk, state_reader
from controls.planning.execution import since_plan
from controls.planning.triggers import Since
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock


def desk_of(project: Project, store: Store, lake: Lake, site: Site, clock: Clock) -> Desk:
    """The desk of a site. Raises BadInput where none of its devices can be asked."""

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
    return Desk(
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
