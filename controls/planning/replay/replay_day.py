"""One stored day replayed: its plans solved again, the policies on what really came, and what was lost to what."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.plans import PlanStore, StoredContent
from assets.stores.transactions import Store
from controls.ledger.as_of import commands_at
from controls.ledger.rows import read_commands
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_readings import day_readings, day_span, stored_plans
from controls.planning.replay.day_scenario import Readings, day_scenario
from controls.planning.replay.decisions import decided, executed_decisions
from controls.planning.replay.policies import DEFAULT, Judged, PolicyRun, run_of
from controls.planning.replay.replay_plan import PlanReplay, replay_plan
from controls.planning.triggers import plan_window
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site


class Lost(Model):
    """Cost of `policy` less that of perfect foresight, and what it is made of, in the currency of the day.

    Each part is the difference of two costs, from one policy to the next of a chain in which one thing changes:
    perfect_foresight -> (horizon) -> right_forecasts -> (forecast) -> planned -> (execution) -> what is proven to have
    been done, in the model's physics -> (physics) -> the same with the stores as measured.

    forecast_error: load, sun and prices came otherwise than foreseen. model_error: horizon_error (a plan sees no
    further than its horizon, asks for an end charge of its own, and switches relays for whole steps) and physics_error
    (what was done filled the stores otherwise than the model says, at the price of what is missing). execution_error:
    devices did otherwise than planned. None: not known, and nothing of it is in the total. Each may be below zero: luck
    is not filtered out.
    """

    policy: str
    total: float
    forecast_error: float
    model_error: float
    horizon_error: float
    physics_error: float | None
    execution_error: float | None


def lost(judged: Judged) -> Lost | None:
    """The split of what was lost, of what was executed or, where that is not known, planned; None without bounds."""
    bound, right, planned, done = (
        judged.run(name) for name in ("perfect_foresight", "right_forecasts", "planned", "executed")
    )
    if not (isinstance(bound, PolicyRun) and isinstance(right, PolicyRun) and isinstance(planned, PolicyRun)):
        return None
    horizon = judged.cost(right) - judged.cost(bound)
    forecast = judged.cost(planned) - judged.cost(right)
    execution = physics = None
    if isinstance(done, PolicyRun):
        by_model = run_of(judged, decided(judged.day, executed_decisions(judged.day)[0]))
        execution = judged.cost(by_model) - judged.cost(planned)
        # Without a measured store nothing says whether the model was right about it.
        physics = judged.cost(done) - judged.cost(by_model) if judged.day.measured else None
    return Lost(
        policy="planned" if execution is None else "executed",
        total=horizon + forecast + (execution or 0.0) + (physics or 0.0),
        forecast_error=forecast,
        model_error=horizon + (physics or 0.0),
        horizon_error=horizon,
        physics_error=physics,
        execution_error=execution,
    )


# Less is rounding.
_HAIR_KW = 1e-6


class PolicyCost(Model):
    """Cost of a policy on the day. cost = paid + charge_value; of two of them the difference is a regret or a saving.

    paid: by kind of cost in `paid_by`. charge_value: what foresight would have paid to leave as much as there was, less
    what for as much as this left. regret: cost less that of perfect foresight. saving_against_no_control: cost of no
    control less this one; both with equal charge at begin and end. None: not known.
    """

    name: str
    cost: float
    regret: float | None
    saving_against_no_control: float | None
    paid: float
    paid_by: dict[str, float]
    charge_value: float
    end: dict[str, float]


class DayReplay(Model):
    """A day once more. plan_hash: of the newest plan of the day, as it is found again; None where there is none.

    charge_prices: cost of a kWh more in each store at the end with perfect foresight.
    """

    site_id: str
    start_utc: datetime
    end_utc: datetime
    quarter_hours: int
    currency: str
    plan_hash: str | None
    plans: tuple[PlanReplay, ...]
    policies: tuple[PolicyCost, ...]
    charge_prices: dict[str, float]
    begin: dict[str, float]
    lost: Lost | None
    findings: tuple[Finding, ...]

    @property
    def is_same(self) -> bool:
        """Whether every plan of the day gave its hash again."""
        return bool(self.plans) and all(plan.is_same for plan in self.plans)


def replay_stored_day(
    site: Site,
    day: date,
    *,
    store: Store,
    lake: Lake,
    policies: Iterable[str] = DEFAULT,
    as_of_utc: datetime | None = None,
) -> DayReplay:
    """Replay a local day of a site from what store and lake hold, now or as known at an instant. Raises Unreachable."""
    start_utc, end_utc = day_span(day, site)
    stored = stored_plans(PlanStore(store), site, start_utc, end_utc, as_of_utc=as_of_utc)
    ids = {one.plan.plan_id for one in stored}
    ledger = (
        [row for name in sorted(ids) for row in read_commands(store, site.site_id, plan_id=name)]
        if as_of_utc is None
        else [row for row in commands_at(store, site.site_id, as_of_utc) if row.command.plan_id in ids]
    )
    readings = day_readings(site, lake, stored, ledger, start_utc, as_of_utc=as_of_utc)
    return replay_day(
        site.site_id,
        stored,
        readings,
        start_utc=start_utc,
        end_utc=end_utc,
        currency=site.currency,
        policies=policies,
    )


def plans_of_day(stored: Sequence[StoredContent], start_utc: datetime, end_utc: datetime) -> list[StoredContent]:
    """Plans that begin in the day, and the one that governs its start where none begins then."""
    within = [one for one in stored if start_utc <= one.plan.request.start_utc < end_utc]
    before = [one for one in stored if plan_window(one.plan)[0] < start_utc < plan_window(one.plan)[1]]
    begins_with_one = any(one.plan.request.start_utc == start_utc for one in within)
    return within if begins_with_one else before[-1:] + within


def replay_day(
    site_id: str,
    stored: Sequence[StoredContent],
    readings: Readings,
    *,
    start_utc: datetime,
    end_utc: datetime,
    currency: str,
    policies: Iterable[str] = DEFAULT,
) -> DayReplay:
    """Replay the day [start, end) of a site.

    stored: its plans that may have governed it, and one that begins at its end, the oldest first; readings: what is
    known of load, sun, prices and devices now. What cannot be said is a finding, and the rest is said all the same.
    """
    of_day = plans_of_day(stored, start_utc, end_utc)
    replayed = tuple(replay_plan(one) for one in of_day)
    until = [one.plan for one in stored if one.plan.request.start_utc == end_utc]
    day = day_scenario([*(one.plan for one in of_day), *until], readings, start_utc=start_utc, end_utc=end_utc)
    frame: dict[str, Any] = {
        "site_id": site_id,
        "currency": currency,
        "plan_hash": replayed[-1].replayed_hash if replayed else None,
        "plans": replayed,
    }
    if isinstance(day, Finding):
        return DayReplay(
            **frame, start_utc=start_utc, end_utc=end_utc, quarter_hours=0, policies=(), charge_prices={}, begin={},
            lost=None, findings=(day.model_copy(update={"scope": site_id}),),
        )  # fmt: skip
    judged = Judged(day)
    found, findings = _policy_costs(judged, policies)
    return DayReplay(
        **frame,
        start_utc=day.slots[0].start_utc,
        end_utc=day.slots[-1].start_utc + STEP,
        quarter_hours=len(day.slots),
        policies=tuple(found),
        charge_prices=judged.charge_prices,
        begin=day.begun,
        lost=lost(judged),
        findings=(*day.findings, *findings),
    )


def _policy_costs(judged: Judged, names: Iterable[str]) -> tuple[list[PolicyCost], list[Finding]]:
    found, findings = [], []
    bound, without = judged.run("perfect_foresight"), judged.run("no_control")
    for name in names:
        run = judged.run(name)
        if isinstance(run, Finding):
            findings.append(run.model_copy(update={"message": f"{name}: {run.message}", "severity": "warning"}))
            continue
        findings += [*run.findings, *_beyond(judged, name, run)]
        cost = judged.cost(run)
        found.append(
            PolicyCost(
                name=name,
                cost=cost,
                regret=cost - judged.cost(bound) if isinstance(bound, PolicyRun) else None,
                saving_against_no_control=judged.cost(without) - cost if isinstance(without, PolicyRun) else None,
                paid=run.paid,
                paid_by=dict(run.costs),
                charge_value=judged.charge_value(run),
                end=dict(run.ends),
            )
        )
    return found, findings


def _beyond(judged: Judged, name: str, run: PolicyRun) -> list[Finding]:
    """That a policy would have needed a wider connection: perfect foresight keeps to the one there is."""
    connection = judged.day.case.connection
    limits = (("draws", connection.import_max_kw), ("feeds in", connection.export_max_kw))
    return [
        Finding(
            code="beyond_connection",
            message=f"{name}: it {does} up to {most_kw:.2f} kW, the connection is rated {limit_kw:g} kW",
            facts={"most_kw": most_kw, "limit_kw": limit_kw},
        )
        for (does, limit_kw), most_kw in zip(limits, run.most_kw, strict=True)
        if most_kw > limit_kw + _HAIR_KW
    ]
