"""Golden values that hold the version of each computation: `python -m tests.reports.computation_values` records them.

The recorder keeps what stands and adds what is new. Where a value differs under a version that is recorded it refuses:
raise the computation's number in `VERSIONS` in the same commit, and every trace says which version made its figure.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from assets.experiments.experiment_days import draw_experiment
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.baselines.event_baseline import EventInterval, MethodScore, SettledEvent
from data_quality.contracts.control.dr_event import DrEvent, Settlement
from data_quality.contracts.control.experiment import FollowedDay
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.time import FixedClock
from reports.figure_book import FigureBook
from reports.recompute.computations import COMBINATIONS, LEAVES, VERSIONS, baseline_input, combine
from tests.reports import year_world
from tests.reports.test_operations_report import months
from tests.reports.test_project_report import ADJUSTMENTS, make_mv
from tests.reports.year_world import Year

GOLDEN = Path(__file__).parents[1] / "golden" / "computations.json"
TEMPLATES = (
    ("executive_summary", "2025"), ("ghg_inventory", "2025"), ("bill_reconciliation", "2025-Q1"),
    ("data_quality", "2025-Q2"), ("enpi_year", "2025"), ("disclosure_energy", "2025"),
)  # fmt: skip
RUNNING_FIELDS = ("import_kwh", "cost", "emission_kgco2e", "peak_kw")
EVENT_FIELDS = ("measured_kwh", "expected_kwh", "kwh", "cost")
ADVICE_ID = "5d250e3be18a"
EVENT_ID = "d20250312T1000-0"
DR_FIELDS = (
    ("", "target_kw"), ("", "income"), ("rule", "baseline_kwh"), ("rule", "actual_kwh"), ("rule/1", "low_kwh"),
    ("regression", "mae"),
)  # fmt: skip
KEPT_OF_EACH = 6
OPERANDS = (("12.5", "4"), ("-3", "7.25"), ("0.1", "0"), ("5", None), ("1e9", "3"))
Values = dict[str, str | None]


def computed(folder: Path) -> dict[str, Values]:
    """Computation -> what it answers today, by the name of each case. folder: an empty one, for the plant's year."""
    year = year_world.make_year(folder / "year")
    year_world.add_bill(year, "2025-02")
    year_world.add_bill(year, "2025-03", extra=Decimal("100.00"))
    found = {name: _combined(name) for name in COMBINATIONS} | _of_reports(folder, year)
    year_world.publish(year, year_world.event(12), year_world.event(20, meter="main", kwh=-5.0, cost=-1.05))
    months(year)
    _settle(year)
    _try_out(year)
    _advise(year)
    for name, cases in _direct_values(year).items():
        found[name] = found.get(name, {}) | cases
    year_world.close(year)
    return found


def _settle(year: Year) -> None:
    """An event of an hour of the plant, with a settlement of numbers that are easy to know again."""
    start, quarter = datetime(2025, 3, 12, 10, tzinfo=UTC), timedelta(minutes=15)
    steps = [
        EventInterval(
            start_utc=start + n * quarter, end_utc=start + (n + 1) * quarter, baseline_kwh=30.0 + n, actual_kwh=25.0,
            shed_kwh=5.0 + n, interval_kwh=(4.0 + n, 6.0 + n),
        )
        for n in range(4)
    ]  # fmt: skip
    rule = SettledEvent(
        start_utc=start, end_utc=start + 4 * quarter, baseline_kwh=126.0, actual_kwh=100.0, shed_kwh=26.0,
        interval_kwh=(20.0, 32.0), method="10-in-10", significant=True, rebound_kwh=3.5, ramp_flag=False,
        ramp_added_kwh=None, intervals=tuple(steps),
    )  # fmt: skip
    score = MethodScore(
        name="regression", eligible=True, n_days=40, bias=0.01, mae=0.03, rrmse=0.05, coverage=0.9, chosen=True
    )
    store, clock = DrEvents(year.world.lake.store), year.world.clock
    called = {"event_id": EVENT_ID, "site_id": "plant", "programme": "own_peak", "state": "settled", "told_utc": start}
    span = {"start_utc": start, "end_utc": start + 4 * quarter, "target_kw": 20.0}
    store.create(DrEvent.model_validate(called | span), clock)
    settled = Settlement(
        event_id=EVENT_ID, site_id="plant", target_kwh=20.0, rule=rule, best=None, methods=(score,), least_kw=20.0,
        income=240.0, penalty=0.0, currency="EUR",
    )  # fmt: skip
    store.settle(settled, clock)


def _advise(year: Year) -> None:
    """A recommendation of easy numbers, and what the plant states of its worth."""
    stated = {"cost_id": "timer", "kind": "base_load", "money": 450.0, "currency": "EUR", "source": "Offer"}
    rate = {"percent": 6.5, "source": "Board", "stated_on": "2025-01-01"}
    costs = [{**stated, "stated_on": "2025-01-01", "lifetime_years": 8}]
    year.site = year_world.year_site(measure_costs=costs, discount_rate=rate)
    spring = (date(2025, 1, 1), date(2025, 4, 1))
    book = FigureBook(report_id="advice", revision=0, as_of_utc=year.world.clock.now_utc(), is_synthetic=False)
    figures = tuple(
        book.add(
            f"base_load/meter:moulding/{name}", Decimal(value), label=name, kpi=f"advice_{name}",
            scope="meter:moulding", start=spring[0], end=spring[1], unit=unit, computation="advice_number",
            inputs=(), parameters={},
        )
        for name, value, unit in (("savings_kwh", "1234.5", "kwh"), ("cost_money", "450", "EUR"))
    )  # fmt: skip
    made = Recommendation(
        recommendation_id=ADVICE_ID, site_id="plant", kind="base_load", scope="meter:moulding", start=spring[0],
        end=spring[1], savings_kwh=Decimal("1234.5"), interval_kwh=(Decimal(1000), Decimal(1400)),
        savings_money=None, interval_money=None, currency="EUR", savings_kgco2e=None, interval_kgco2e=None,
        cost_money=Decimal(450), cost_source="Offer", payback_months=None, interval_months=None, difficulty=1,
        confidence=0.9, workflow="recommendation_accepted", sentences=(), figures=figures,
    )  # fmt: skip
    Recommendations(year.world.lake.store).add([made], year.world.clock)


def _try_out(year: Year) -> None:
    """An experiment of twenty days of the plant, whose habit follows the plan: the saving is chance."""
    before = FixedClock(datetime(2025, 2, 1, tzinfo=UTC))
    made = draw_experiment(
        "plant", "Europe/Berlin", first=date(2025, 3, 1), days=20, share=0.3, seed=7, now_utc=before.now_utc()
    )  # fmt: skip
    kept = ExperimentStore(year.world.lake.store)
    kept.start(made, person_id="eve", reason="values", clock=before)
    for span in made.spans:
        day = FollowedDay(start_utc=span.start_utc, arm=span.arm, followed=span.arm, is_comparable=True)
        kept.follow(made, day, year.world.clock)


def _combined(name: str) -> Values:
    pairs = [tuple(None if text is None else Decimal(text) for text in pair) for pair in OPERANDS]
    width = {"in_gj": 1, "in_thousands": 1, "net_present_value": 4}.get(name, 2)
    roles = ("first", "second", "third", "fourth")
    # What takes more operands than a pair has takes these beside it.
    named = [list(zip(roles, (*pair, Decimal("7.5"), Decimal(3)), strict=True))[:width] for pair in pairs]
    return {"; ".join(f"{value}" for _, value in each): _text(combine(name, each)) for each in named}


def _of_reports(folder: Path, year: Year) -> dict[str, Values]:
    """Of each leaf some figures of the templates' reports and of a project's, evenly taken."""
    sources, of_leaf = year.sources(), dict[str, dict[str, Figure]]()
    project = make_mv(folder / "mv", ADJUSTMENTS)
    contents = [(name, year.report(name, period, sources=sources)) for name, period in TEMPLATES]
    for template, content in [*contents, ("mv_project", project.make())]:
        for figure in content.figures:
            of_leaf.setdefault(figure.trace.computation, {})[f"{template} {figure.path}"] = figure
    project.works.lake.store.close()
    chosen: dict[str, Values] = {}
    for name in sorted(set(of_leaf) & set(LEAVES)):
        paths = sorted(path for path, figure in of_leaf[name].items() if figure.value is not None)
        step = max(1, len(paths) // KEPT_OF_EACH)
        chosen[name] = {path: _text(of_leaf[name][path].value) for path in paths[::step][:KEPT_OF_EACH]}
    return chosen


def _direct_values(year: Year) -> dict[str, Values]:
    """Leaves that no report of a template prints."""
    sources, as_of_utc = year.sources(), year.given("2025").as_of_utc
    version = year.given("2025-Q1").versions["hvac"]
    spring = {"site": "plant", "start": "2025-01-01", "end": "2025-04-01"}
    june = {"site": "plant", "start": "2025-06-01", "end": "2025-07-01"}
    running = {"site": "plant", "start": "2025-04-01", "end": "2025-05-01", "at_utc": "2025-04-12T10:07:00Z"}
    asked: list[tuple[str, Mapping[str, str]]] = [
        ("scope_coverage", spring),
        *(
            ("scope_quarter", june | {"end": "2025-06-02", "scope": scope, "quarter_start_utc": f"2025-06-01T{at}Z"})
            for scope, at in (("site:plant", "10:15"), ("seu:hvac", "21:45"))
        ),
        ("savings_value", spring | {"seu": "hvac", "min_day_coverage": "0.9"}),
        *(
            ("running_figure", running | {"field": field})
            for field in ("import_kwh", "cost", "emission_kgco2e", "peak_kw")
        ),
        ("event_count", {"site": "plant", "start": "2025-06-01", "end": "2025-07-01"}),
        *(
            ("event_number", {"site": "plant", "event": year_world.event(12).event_id, "field": field})
            for field in EVENT_FIELDS
        ),
        *(("dr_event_number", spring | {"event": EVENT_ID, "part": part, "field": field}) for part, field in DR_FIELDS),
        *(
            ("experiment_number", spring | {"experiment": "", "part": part, "field": field})
            for part, field in (("", "saving"), ("look/1", "low"), ("habit", "mean_cost"), ("day/3", "cost"))
        ),
        *(("dispatch_number", june | {"field": field}) for field in ("missed_quarter_hours", "longest_wait_s")),
        ("advice_number", spring | {"kind": "base_load", "scope": "meter:moulding", "field": "savings_kwh"}),
        ("group_share", {"share": "0.6+0.2*0.5", "rate": "0.92"}),
        *(
            ("measure_number", {"site": "plant", "recommendation": ADVICE_ID, "field": field})
            for field in ("savings_kwh", "cost_money")
        ),
        ("stated_number", {"site": "plant", "field": "percent"}),
        ("stated_number", {"site": "plant", "field": "lifetime_years", "cost": "timer"}),
        *(("known_floor_area", span) for span in (spring, spring | {"start": "2025-05-01", "end": "2025-06-01"})),
        *(("peer_place", spring | {"field": field, "peers": '{"plant": "factory"}'}) for field in ("value", "peers")),
        ("nothing", {}),
    ]
    inputs = (baseline_input(version), sources.definition_input())
    found: dict[str, Values] = {}
    for name, parameters in asked:
        trace = Trace(computation=name, code_sha256="", parameters=dict(parameters), as_of_utc=as_of_utc, inputs=inputs)
        case = " ".join(parameters.values()) or "no part"
        found.setdefault(name, {})[case] = _text(LEAVES[name](trace, sources))
    return found


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def differing(held: Mapping[str, Any], now: Mapping[str, Values]) -> list[str]:
    """Sentences for values that are others than those held under the same version.

    Of floats the last digits are the machine's: 1e-9 of a value, or 1e-11, is no other value.
    """
    found = []
    for name, entry in held.items():
        if VERSIONS.get(name) != entry["version"]:
            continue
        for case, value in entry["values"].items():
            other = now.get(name, {}).get(case, "gone")
            if not _is_same(value, other):
                found.append(f"{name}, version {entry['version']}: {case} was {value} and is {other}")
    return found


def _is_same(value: str | None, other: str | None) -> bool:
    if value is None or other is None or other == "gone":
        return value == other
    first, second = Decimal(value), Decimal(other)
    return abs(first - second) <= abs(first) * Decimal("1e-9") + Decimal("1e-11")


def held() -> dict[str, Any]:
    """Computation -> version and values, as recorded."""
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Record the values of new versions; 1 where a recorded version would answer otherwise."""
    before = held() if GOLDEN.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        now = computed(Path(folder))
    refused = differing(before, now)
    for sentence in refused:
        sys.stdout.write(f"{sentence}: raise its number in VERSIONS (reports/recompute/computations.py)\n")
    if refused:
        return 1
    kept = {name: entry for name, entry in before.items() if VERSIONS.get(name) == entry["version"]}
    made = {name: {"version": VERSIONS[name], "values": now[name]} for name in VERSIONS if name in now}
    GOLDEN.write_text(json.dumps(dict(sorted({**made, **kept}.items())), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
