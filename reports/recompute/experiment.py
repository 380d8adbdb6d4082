"""An experiment as known at an instant: its days, what each cost by readings and tariff, and the saving, recomputed."""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from assets.experiments.experiment_days import ExperimentDay, experiment_days, outcomes_of
from assets.experiments.saving import InterimSaving, Saving, saving_of
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.plans import PlanStore
from data_quality.contracts.control.experiment import Experiment, ExperimentAct
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Trace, TraceInput
from data_quality.contracts.site_file.site import Site
from reports.recompute.advice import RECOMMENDATION, advice_input_today
from reports.recompute.dispatch import DISPATCH, dispatch_input_today, dispatch_number
from reports.recompute.dr_event import DR_EVENT, DR_SETTLEMENT, dr_input_today
from reports.recompute.event import EVENT, EVENTS, event_input_today
from reports.recompute.figure_sources import Sources

# Role of the input: everything that was recorded of an experiment.
EXPERIMENT = "experiment"
OF_SAVING = ("saving", "low", "high")
OF_ARM = ("days", "mean_cost")
OF_DAY = ("cost",)


class ExperimentRecord(NamedTuple):
    """The design with its acts, days and saving (a Finding before the first look). until_utc: the end of the looks."""

    experiment: Experiment
    acts: tuple[ExperimentAct, ...]
    days: tuple[ExperimentDay, ...]
    saving: Saving | Finding
    until_utc: datetime


def experiment_at(sources: Sources, site: Site, experiment_id: str, as_of_utc: datetime) -> ExperimentRecord:
    """An experiment of a site at an instant. Raises BadInput (no_experiment)."""

    def read() -> ExperimentRecord:
        store = sources.lake.store
        kept = ExperimentStore(store)
        made = kept.named(site.site_id, experiment_id, as_of_utc=as_of_utc)
        acts = tuple(kept.acts(site.site_id, made.experiment_id, as_of_utc=as_of_utc))
        stops = [act.recorded_at_utc for act in acts if act.act == "stop" and act.recorded_at_utc is not None]
        until_utc = min([as_of_utc, *stops])
        followed = [act.day for act in acts if act.day is not None]
        days = experiment_days(
            site, sources.lake, PlanStore(store), made, followed, until_utc=until_utc, as_of_utc=as_of_utc
        )
        return ExperimentRecord(made, acts, days, saving_of(made, outcomes_of(days), until_utc), until_utc)

    return sources.keep(("experiment", site.site_id, experiment_id, as_of_utc), read)


def experiment_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of an experiment. parameters: site, start, end, experiment, part (an arm, a look, a day), field."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    record = experiment_at(sources, site, named["experiment"], trace.as_of_utc)
    return number(record, part=named["part"], field=named["field"])


def number(record: ExperimentRecord, *, part: str, field: str) -> Decimal | None:
    """A number of an experiment: of its saving (no part), `look/N`, `day/N`, or an arm. Raises OurFault for others."""
    name, _, place = part.partition("/")
    if name in ("plan", "habit") and field in OF_ARM:
        costs = [day.cost for day in record.days if day.is_compared and day.arm == name and day.cost is not None]
        if field == "days":
            return Decimal(len(costs))
        return _exact(sum(costs) / len(costs)) if costs else None
    if name == "day" and field in OF_DAY:
        return _exact(record.days[int(place)].cost)
    if field not in OF_SAVING:
        raise OurFault(f"{field!r} is not a number of {part or 'an experiment'}")
    if isinstance(record.saving, Finding):
        return None
    found: Saving | InterimSaving = record.saving.looks[int(place)] if name == "look" else record.saving
    return _exact({"saving": found.saving, "low": found.interval[0], "high": found.interval[1]}[field])


def experiment_input(record: ExperimentRecord) -> TraceInput:
    """Everything recorded of an experiment as an input: design with its draw, days with their plans, end."""
    made = record.experiment
    return TraceInput(
        kind="version", id=f"{made.site_id}/{made.experiment_id}", role=EXPERIMENT, sha256=_sha256(record.acts),
        value=f"seed {made.seed}",
    )  # fmt: skip


def experiment_input_today(given: TraceInput, sources: Sources, as_of_utc: datetime | None) -> str:
    """The digest that such an input has now, or had at an instant; empty where it is gone."""
    site_id, _, experiment_id = given.id.partition("/")
    acts = ExperimentStore(sources.lake.store).acts(site_id, experiment_id, as_of_utc=as_of_utc)
    return _sha256(tuple(acts)) if acts else ""


def _sha256(acts: tuple[ExperimentAct, ...]) -> str:
    return hashlib.sha256("\n".join(act.model_dump_json() for act in acts).encode()).hexdigest()


def _exact(value: float | None) -> Decimal | None:
    """To a hundredth of a cent: below it floats of two machines may differ."""
    return None if value is None else Decimal(repr(round(value, 4)))


# Inputs that are rows of acts, by role: their digest today.
ACTED = {
    EVENT: event_input_today, EVENTS: event_input_today, DR_EVENT: dr_input_today, DR_SETTLEMENT: dr_input_today,
    EXPERIMENT: experiment_input_today, RECOMMENDATION: advice_input_today, DISPATCH: dispatch_input_today,
}  # fmt: skip
# Computations over such rows, by name.
BY_ACTS = {"dispatch_number": dispatch_number, "experiment_number": experiment_number}
