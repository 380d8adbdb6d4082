"""A trial without hardware: what a site's devices would have cost over past days by several policies.

Load, sun and prices are the site's own readings; what the devices do is simulated by the model that plans them, one
local day after the other. A plan sees the morning after, too, and leaves the stores there as the trial found them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load, nano
from assets.bills.engine.book import Book, Span, book_of, calendar_months, runs_of
from assets.bills.engine.interval_cost import RUNNING_SCHEMA, running_of
from assets.kpi.running_cost.interval_costs import prices_of
from assets.sites.calendar import types_around
from assets.stores.lake.lake import Lake
from controls.optimiser.case import DispatchCase, case_of, without_control
from controls.optimiser.devices.device import DECIMALS, Device, Numbers, numbers
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.out_of_time import least_proven
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.plan_inputs import STEP, Measured, plan_request
from controls.planning.replay.decisions import Followed, tuples
from controls.planning.replay.policies import by_rules
from controls.planning.tariff_terms import BillsSoFar
from controls.planning.trial_inputs import By, TrialInputs, trial_inputs
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES

POLICIES = ("no_control", "self_consumption", "deterministic", "perfect_foresight")
_HOURS = CANONICAL_MINUTES / 60
# A day's plan a person would wait for thirty times over: what a proof of the last per cent would take is left out. A
# search takes half a second; the limit is for a machine that is busy with other things too.
_GAP, _TIME_LIMIT_S = 0.01, 10.0
# Quarter hours of a plan that are followed until the next.
_FOLLOWED = 24
# Of the next day a plan sees so many at least.
_AHEAD = 48
_BACK = tuple(timedelta(days=k) for k in range(1, 9))


class TrialDay(Model):
    """A local day's part of the bill, in the site's currency."""

    date: date
    cost: float


class TrialPolicy(Model):
    """Result of a policy. cost: the bill, which the days add up to. cycles: of the batteries, full ones.

    kgco2e: of the import, by the site's factor; None without one. left_kwh: at the end in each store, less what was
    there. Nothing of a trial is a room, and so nobody is uncomfortable in it.
    """

    name: str
    cost: float
    saved: float | None
    saved_share: float | None
    kgco2e: float | None
    import_kwh: float
    export_kwh: float
    self_consumption: float | None
    cycles: float
    left_kwh: dict[str, float]
    days: tuple[TrialDay, ...]
    discomfort_degree_hours: float = 0.0
    switchings: float = 0.0
    interval: dict[str, Any] = {}


class Trial(Model):
    """Policies over the local days [start, end) of a site."""

    site_id: str
    currency: str
    start: date
    end: date
    policies: tuple[TrialPolicy, ...]
    assumptions: tuple[str, ...]
    findings: tuple[Finding, ...]
    is_synthetic: bool = True


def run_trial(
    site: Site,
    lake: Lake,
    *,
    start: date,
    end: date,
    policies: Sequence[str] = POLICIES,
    progress: Callable[[str], None] = lambda _: None,
) -> Trial | Finding:
    """The policies (of POLICIES) over local days [start, end), or why there can be no trial. Raises BadInput."""
    inputs = trial_inputs(site, lake, start, end)
    if isinstance(inputs, Finding):
        return inputs
    runs = []
    for name in policies:
        run = TrialRun(inputs, name)
        progress(f"{name}, {len(inputs.days)} days")
        if fault := run.go_through():
            return fault
        runs.append(run)
    plain = next((run.cost for run in runs if run.name == "no_control"), None)
    return Trial(
        site_id=site.site_id,
        currency=site.currency,
        start=start,
        end=end,
        policies=tuple(run.line(plain) for run in runs),
        assumptions=inputs.assumptions,
        findings=(*inputs.findings, *(each for run in runs if (each := run.not_proven()))),
    )


@dataclass
class TrialRun:
    """One policy, day after day. used: import and export of every quarter hour so far, kWh.

    unproven: gap and case of each plan that its time limit ended.
    """

    inputs: TrialInputs
    name: str
    used: list[tuple[float, float]] = field(default_factory=list)
    discharged_kwh: float = 0.0
    unproven: list[tuple[float, DispatchCase]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Once for the span: a read of the lake in each plan would take as long as the plan.
        self.prices, self.states = self.inputs.read_prices(), dict(self.inputs.begun)
        kept = [asset.asset_id for asset, kind in device_assets(self.inputs.site) if not kind.is_taken_away]
        self.ends = {name: kwh for name, (kwh, _) in self.inputs.begun.items() if kwh is not None and name in kept}

    def go_through(self) -> Finding | None:
        """Every day, or why one cannot be."""
        for day in self.inputs.days:
            if fault := self.go_on(day):
                scope = self.inputs.site.site_id
                return fault.model_copy(update={"message": f"{day}: {fault.message}", "scope": scope})
        return None

    def not_proven(self) -> Finding | None:
        """A warning `plan_not_proven` of the plan that may be the farthest from its best; None where all are proven."""
        found = least_proven(self.unproven, name=self.name, days=len(self.inputs.days))
        return found and found.model_copy(update={"scope": self.inputs.site.site_id})

    def go_on(self, day: date) -> Finding | None:
        """A day more, or why it cannot be."""
        actual = self._case(day)
        if isinstance(actual, Finding):
            return actual
        self.today = actual
        # Of what nobody moves without control, nothing is part of the day then.
        case = without_control(actual) if self.name == "no_control" else actual
        columns = self._columns(day, case)
        if isinstance(columns, Finding):
            return columns
        devices = {one.device_id: one for one in case.devices}
        kwh = np.round(case.net_kw(columns), DECIMALS) * _HOURS
        self.used += list(zip(np.maximum(kwh, 0).tolist(), np.maximum(-kwh, 0).tolist(), strict=True))
        for asset, kind in device_assets(self.inputs.site):
            name, own = asset.asset_id, columns.get(asset.asset_id)
            if own is None or not kind.measure:
                continue
            if not kind.is_taken_away:
                left = devices[name].carried(tuples(own), len(kwh) - 1)
                self.states[name] = (left, 0.0) if left is not None else self.states[name]
            if kind.kind == "battery":
                drawn_kw = np.asarray(devices[name].drawn_kw(own), np.float64)
                self.discharged_kwh += float(np.maximum(-drawn_kw, 0.0).sum()) * _HOURS
        return None

    def _columns(self, day: date, actual: DispatchCase) -> dict[str, Numbers] | Finding:
        """Decisions of every device on the actual day."""
        step_h = np.array(actual.step_h)
        if self.name == "self_consumption":
            return by_rules(actual, step_h)
        if self.name in ("no_control", "perfect_foresight"):
            case = actual if self.name == "no_control" else self._case(day, is_ahead=True)
            answer = case if isinstance(case, Finding) else self._solved(case)
            if isinstance(answer, Finding):
                return answer
            return {
                name: {key: values[: step_h.size] for key, values in numbers(columns).items()}
                for name, columns in answer.series.devices.items()
            }
        return self._planned(day, actual, step_h)

    def _planned(self, day: date, actual: DispatchCase, step_h: np.ndarray) -> dict[str, Numbers] | Finding:
        """Plans of the rest of the day, each from what the one before left; as many of their steps as are followed."""
        followed, states = Followed(actual.devices), dict(self.states)
        for first in range(0, step_h.size, _FOLLOWED):
            foreseen = self._case(day, first, states, is_ahead=True)
            if isinstance(foreseen, Finding):
                return foreseen
            answer = self._solved(foreseen)
            if isinstance(answer, Finding):
                return answer
            count = min(_FOLLOWED, step_h.size - first)
            followed.follow(foreseen, answer.series, count)
            columns = followed.done(step_h)
            for one in actual.devices:
                if one.device_id in states:
                    states[one.device_id] = one.carried(tuples(columns[one.device_id]), first + count - 1), 0.0
        return columns

    def _solved(self, case: DispatchCase) -> Solution | Finding:
        # What a battery may not do at once, a schedule shows; whole relays it does not.
        is_shown = all(one.kind in ("battery", "pv") for one in case.devices)
        found = solve(case, gap=_GAP, time_limit_s=_TIME_LIMIT_S, is_relaxed_first=is_shown)
        if isinstance(found, Solution) and found.status == "feasible":
            self.unproven.append((found.gap, case))
        return found

    def _case(
        self,
        day: date,
        first: int = 0,
        states: Mapping[str, Measured] | None = None,
        *,
        is_ahead: bool = False,
    ) -> DispatchCase | Finding:
        """The problem of the day as it was; where states are given, of its steps from `first` on as foreseen.

        is_ahead: to the noon after it or until cars have left, as a plan that begins at midnight must know the next.
        """
        inputs, (start, end) = self.inputs, self.inputs.span(day)
        to_midnight = (end - start) // STEP - first
        month_utc = inputs.span(max(day.replace(day=1), inputs.days[0]))[0], end
        if is_ahead:
            stays = (stay.to_step for one in _cars(self.today) for stay in one.sessions)
            end = min(end + max([_AHEAD, *stays]) * STEP, inputs.span(inputs.days[-1])[1])
        steps, site = [start + k * STEP for k in range(first, (end - start) // STEP)], inputs.site
        hours, start = len(steps) * _HOURS, steps[0]
        is_foreseen = states is not None
        request = plan_request(
            site,
            load_forecast=_forecast(site, "load", inputs.load_kw, steps, is_foreseen=is_foreseen),
            device_forecasts={
                name: _forecast(site, name, kw, steps, is_foreseen=is_foreseen) for name, kw in inputs.sun_kw.items()
            },
            prices=self.prices.filter(pl.col("interval_start_utc").is_between(start, end, closed="left")),
            states=states or self.states,
            ends=self.ends if is_ahead else None,
            mode=Mode.SIMULATION,
            now_utc=start,
            horizon_h=hours,
            min_horizon_h=hours,
            read_bills=lambda: BillsSoFar(load=self.load.between(*month_utc), prices=prices_of(site, inputs.rows)),
            start_utc=start,
        )
        if isinstance(request, Finding):
            return request
        case = case_of(request)
        if to_midnight < len(steps):
            ahead = tuple(_with_tomorrow(one, self.today, to_midnight) for one in case.devices)
            case = case.model_copy(update={"devices": ahead})
        # What came of set-points is physics, whatever was wished of a device.
        free = tuple(one.unconstrained() for one in case.devices)
        return case if is_foreseen else case.model_copy(update={"devices": free})

    @property
    def load(self) -> Load:
        """Import and export so far."""
        bought, sold = np.array(self.used, dtype=np.float64).reshape(-1, 2).T
        return Load(
            start_utc=self.inputs.span(self.inputs.days[0])[0],
            step_minutes=CANONICAL_MINUTES,
            load=nano(bought),
            is_present=np.ones(bought.size, dtype=np.bool_),
            generation=nano(sold) if sold.any() else None,
        )

    @cached_property
    def bill(self) -> pl.DataFrame:
        """The bill's costs by quarter hour (RUNNING_SCHEMA). Of all days."""
        return running_bill(self.inputs, self.load)

    @property
    def cost(self) -> float:
        """The bill."""
        return float(sum((Decimal(str(each)) for each in self.bill["cost"]), Decimal(0)))

    def line(self, plain: float | None) -> TrialPolicy:
        """Result of the run. plain: the cost of no control."""
        bought, sold = (sum(each) for each in zip(*self.used, strict=True))
        site, first, cost = self.inputs.site, self.inputs.days[0], self.cost
        factor = next(
            (
                one.kgco2e_per_kwh
                for one in site.factors
                if one.carrier is Carrier.ELECTRICITY and one.valid_from <= first < one.valid_to
            ),
            None,
        )
        start = self.inputs.span(first)[0]
        steps = [start + k * STEP for k in range(len(self.used))]
        sun_kwh = sum(kw.get(at, 0.0) * _HOURS for kw in self.inputs.sun_kw.values() for at in steps)
        batteries = [kind.full(a, site.site_id) for a, kind in device_assets(site) if kind.kind == "battery"]
        capacity_kwh = sum(each or 0.0 for each in batteries)
        return TrialPolicy(
            name=self.name,
            cost=cost,
            saved=None if plain is None else plain - cost,
            saved_share=1 - cost / plain if plain else None,
            kgco2e=None if factor is None else factor * bought,
            import_kwh=bought,
            export_kwh=sold,
            self_consumption=(sun_kwh - sold) / sun_kwh if sun_kwh > 0 else None,
            cycles=self.discharged_kwh / capacity_kwh if capacity_kwh else 0.0,
            left_kwh={
                name: (state or 0.0) - (self.inputs.begun[name][0] or 0.0) for name, (state, _) in self.states.items()
            },
            days=tuple(TrialDay(date=day, cost=cost) for day, cost in cost_by_day(self.inputs, self.bill).items()),
        )


def running_bill(inputs: TrialInputs, load: Load) -> pl.DataFrame:
    """The costs of a load on the days of a trial by quarter hour (RUNNING_SCHEMA), by the tariffs of its site.

    Raises BadInput for a price that lacks, and for a day on which no tariff is in force.
    """
    site = inputs.site
    made = book_of(site)
    if made is None:
        return pl.DataFrame(schema=RUNNING_SCHEMA)
    # As printed: the book of running costs rounds no line.
    book = Book(made.tariffs, time_zone=site.time_zone, currency=site.currency)
    first, after = inputs.days[0], inputs.days[-1] + timedelta(days=1)
    months = [(max(a, first), min(b, after)) for a, b in calendar_months(first, after)]
    # Runs without a tariff too, which the book refuses: left out, their days would be free ones.
    spans = [Span(run.start, run.end) for month in months for run in runs_of(book, *month)]
    return running_of(
        book, spans, load, prices=prices_of(site, inputs.rows), day_types=types_around(site, first, after)
    )


def cost_by_day(inputs: TrialInputs, bill: pl.DataFrame) -> dict[date, float]:
    """A bill by local day, in order."""
    local = pl.col("interval_start_utc").dt.convert_time_zone(inputs.site.time_zone).dt.date()
    rows = bill.group_by(local.alias("day"), maintain_order=True).agg(pl.col("cost").sum()).sort("day")
    return {day: float(cost) for day, cost in rows.iter_rows()}


def _forecast(site: Site, target: str, known: By, steps: Sequence[datetime], *, is_foreseen: bool) -> Forecast:
    """Measurements as a forecast: of the day itself, or the mean of the seven days before it."""
    kw = [_mean_before(known, at, steps[0]) if is_foreseen else known.get(at, 0.0) for at in steps]
    kwh = [each * _HOURS for each in kw]
    rows = tuple(ForecastRow(time_utc=at, p10=each, p50=each, p90=each) for at, each in zip(steps, kwh, strict=True))
    at = steps[0]
    return Forecast(
        forecast_id=f"trial-{target}-{at:%Y%m%dT%H}", site_id=site.site_id, target=target, issued_at_utc=at,
        available_at_utc=at, model_name="measured", model_version="1", input_digest="", is_synthetic=True, rows=rows,
        step_minutes=CANONICAL_MINUTES,
    )  # fmt: skip


def _mean_before(known: By, at: datetime, now: datetime) -> float:
    before = (at - each for each in _BACK)
    values = [value for then in before if then < now and (value := known.get(then)) is not None][:7]
    return sum(values) / len(values) if values else known.get(at, 0.0)


def _cars(case: DispatchCase) -> list[EvCharger]:
    return [one for one in case.devices if isinstance(one, EvCharger)]


def _with_tomorrow(device: Device, today: DispatchCase, to_midnight: int) -> Device:
    """A car stands there tomorrow as it did today, and not before."""
    same = next((one for one in _cars(today) if one.device_id == device.device_id), None)
    if same is None or not isinstance(device, EvCharger):
        return device
    tomorrow = (
        stay.model_copy(update={"from_step": stay.from_step + to_midnight, "to_step": stay.to_step + to_midnight})
        for stay in same.sessions
    )
    still = sum(stay.to_step > len(today.step_h) - to_midnight for stay in same.sessions)
    return device.model_copy(update={"sessions": (*device.sessions[:still], *tomorrow)})
