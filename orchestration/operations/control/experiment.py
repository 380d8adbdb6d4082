"""`meterloom experiment start|status|stop`: what control saves, by days that are drawn to follow the former habit."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.experiments import ExperimentStore
from controls.ledger.modes import current_mode
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.experiment import MOST_SHARE, Experiment
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_day, zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Call, Option, operation
from orchestration.operations.options import ReasonOption, SiteOption, day_or_none
from orchestration.operations.signing import Actor, actor

if TYPE_CHECKING:
    from assets.experiments.saving import Saving
    from data_quality.contracts.site_file.site import Site

_MEND = "meterloom experiment start --site {0} --as PERSON --reason WHY"


@operation(
    "experiment start", takes=ACTS, example='--site home --days 60 --seed 7 --as carla --reason "what does it save?"'
)
def start(
    call: Call,
    site: SiteOption,
    reason: ReasonOption,
    days: Annotated[int, Option("How many local days.")] = 60,
    share: Annotated[float, Option("Share of them that follows the habit, 0.3 at most.")] = MOST_SHARE,
    seed: Annotated[int | None, Option("Of the draw; by the clock where it is left out.", min=0)] = None,
    first: Annotated[str | None, Option("The first local day; tomorrow where it is left out.", "--from")] = None,
    half_days: Annotated[bool, Option("Draw halves of days, parted at noon.")] = False,
) -> Answer:
    """Draw the days that follow the former habit, and store them all before the first begins. Nothing is sent by it."""
    from assets.experiments.experiment_days import draw_experiment

    who, known, now_utc = _actor(call, reason), call.project.site(site), call.clock.now_utc()
    # Raises BadInput where no device follows a habit of its own, or no tariff says what a day costs.
    from assets.bills.engine.book import book_of
    from controls.optimiser.devices.kinds import device_assets

    if not any(kind.makes_a_plan for _, kind in device_assets(known)):
        raise BadInput(
            f"site {known.site_id} has no device that is planned, and so no former habit that a day could follow",
            reason="no_habit",
        )
    if book_of(known) is None:
        raise BadInput(f"site {known.site_id} has no tariff, so no day has a cost", reason="no_tariff")
    today = local_day(now_utc, known.time_zone)
    made = draw_experiment(
        site, known.time_zone, first=day_or_none(first, "--from") or today + timedelta(days=1), days=days, share=share,
        seed=int(now_utc.timestamp()) if seed is None else seed, now_utc=now_utc, half_days=half_days,
    )  # fmt: skip
    store = call.project.store
    with store.together():
        person = who.person.person_id
        ExperimentStore(store).start(made, person_id=person, reason=reason.strip(), clock=call.clock)
        who.sign("experiment start", made.experiment_id, seed=made.seed, share=made.share, reason=reason.strip())
    return _answer(call, known, made)


@operation("experiment status", takes=PROJECT, example="--site home")
def status(call: Call, site: SiteOption) -> Answer:
    """Show the newest experiment: each day with arm and cost, the saving with its band, and what is decided."""
    known = call.project.site(site)
    return _answer(call, known, ExperimentStore(call.project.store).named(site))


@operation("experiment stop", takes=ACTS, example='--site home --as carla --reason "guests come"')
def stop(call: Call, site: SiteOption, reason: ReasonOption) -> Answer:
    """End the experiment: from the next plan on every day follows the plan. What was seen until then stays."""
    who, known, store = _actor(call, reason), call.project.site(site), call.project.store
    kept = ExperimentStore(store)
    with store.together():
        running = kept.running(site)
        if running is None or running.end_utc <= call.clock.now_utc():
            raise BadInput(f"no experiment runs at {site}", reason="no_experiment", mend=_MEND.format(site))
        kept.stop(running, person_id=who.person.person_id, reason=reason.strip(), clock=call.clock)
        who.sign("experiment stop", running.experiment_id, reason=reason.strip())
    return _answer(call, known, running)


def _actor(call: Call, reason: str) -> Actor:
    who = actor(call)
    expect(who.person, Permission.DISPATCH_MODE)
    if not reason.strip():
        raise BadInput("an experiment is started and stopped with a reason", reason="missing_reason")
    return who


def _answer(call: Call, site: "Site", experiment: Experiment) -> Answer:
    from assets.experiments.experiment_days import experiment_days, outcomes_of
    from assets.experiments.saving import saving_of
    from assets.stores.ledgers.plans import PlanStore

    store, now_utc = call.project.store, call.clock.now_utc()
    kept = ExperimentStore(store)
    ended = [
        act.recorded_at_utc
        for act in kept.acts(site.site_id, experiment.experiment_id)
        if act.act == "stop" and act.recorded_at_utc is not None
    ]
    until_utc = min([now_utc, *ended])
    days = experiment_days(
        site, call.project.lake, PlanStore(store), experiment, kept.days(experiment), until_utc=until_utc
    )
    found = saving_of(experiment, outcomes_of(days), until_utc)
    mode = current_mode(store, site.site_id, now_utc=now_utc)
    headline = _state(experiment, now_utc, stopped_utc=min(ended, default=None))
    lines = [headline, _sentence(found, site.currency)]
    if mode < Mode.PARTIAL:
        lines.append(f"mode {mode.name}: nothing is sent, so what the meters show is no arm's doing")
    here = zone(site.time_zone)
    rows = [{**vars(day), "day": day.start_utc.astimezone(here)} for day in days if day.end_utc <= until_utc]
    table = Table(
        rows, "day: {day:%a %Y-%m-%d %H:%M} | arm | followed | counts: {is_compared} | cost: {cost:,.2f} | why",
        empty="no day of it is over",
    )  # fmt: skip
    return Answer(_result(experiment, days, found, site.currency), table, "\n".join(lines))


def _result(experiment: Experiment, days: Any, found: "Saving | Finding", currency: str) -> dict[str, Any]:
    has_result = not isinstance(found, Finding)
    fields = {} if isinstance(found, Finding) else found.model_dump(exclude={"saving", "interval", "verdict"})
    return {
        "experiment": {
            "id": experiment.experiment_id,
            "site_id": experiment.site_id,
            "seed": experiment.seed,
            "share": experiment.share,
            "half_days": experiment.half_days,
            "days": days,
            "saving": None if isinstance(found, Finding) else found.saving,
            "interval": None if isinstance(found, Finding) else found.interval,
            "saving_is_per": "day",
            "currency": currency,
            "verdict": "insufficient" if isinstance(found, Finding) else found.verdict,
            **fields,
        },
        "findings": [] if has_result else [found],
    }


def _state(experiment: Experiment, now_utc: datetime, stopped_utc: datetime | None) -> str:
    count, habit = len(experiment.spans), sum(one.arm == "habit" for one in experiment.spans)
    part = "half days" if experiment.half_days else "days"
    head = f"experiment {experiment.experiment_id}: {habit} of {count} {part} follow the habit, seed {experiment.seed}"
    if stopped_utc is not None:
        return f"{head}; stopped {stopped_utc:%Y-%m-%d %H:%M}Z"
    if now_utc < experiment.start_utc:
        return f"{head}; begins {experiment.start_utc:%Y-%m-%d %H:%M}Z"
    return f"{head}; {'ended' if experiment.end_utc <= now_utc else 'ends'} {experiment.end_utc:%Y-%m-%d %H:%M}Z"


def _sentence(found: "Saving | Finding", currency: str) -> str:
    if isinstance(found, Finding):
        return found.message
    low, high = found.interval
    fact = {
        "saves": "control saves money",
        "costs": "control costs money",
        "undecided": "no significant difference",
    }[found.verdict]
    return (
        f"a day by plan saves {found.saving:,.2f} {currency} against a day by habit ({low:,.2f} to {high:,.2f}): {fact}"
    )
