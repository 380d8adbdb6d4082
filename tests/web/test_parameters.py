"""Every parameter that an endpoint declares changes its answer, or is refused where it would change nothing."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assets.bills.documents.read_bill import read_bill
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.bill_ledger import BillStore
from assets.stores.ledgers.factor_ledger import FactorStore
from data_quality.contracts.baselines.baseline import Adjustment
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.factor import Basis, Factor, FactorSet
from data_quality.contracts.people import Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from reports.pages.address import KNOWN
from tests.web.asking import Answer
from tests.web.marts_world import Asking
from tests.web.openapi_golden import present
from tests.web.test_advice_pages import kept
from tests.web.why_world import ANNE, LATER, posted

pytestmark = pytest.mark.slow
EMS, EARLY, MADE = "/api/v1/ems", "2024-12-01T00:00:00Z", "sum(consumption_kwh@site:plant@2025-01-01/2025-03-01@month)"
MARCH = {"site": "plant", "range": "2025-03"}
FUTURE = "2099-01-01T00:00:00Z"
ROW = {"site": "plant", "scope": "site:plant", "kpi": "consumption_kwh", "period": "2025-03"}
RUNNING = {"site": "plant", "kpi": "projected_cost", "of": "running"}
USE = {"site": "plant", "scope": "seu:hvac", "kpi": "actual_kwh", "period": "2025-03", "of": "assessment"}
BASELINE = "plant/hvac@9"
ENPI = {"seu_id": "plant/hvac", "start_year": "2025", "end_year": "2025"}
MONTH, HVAC = {"site": "plant", "period": "2025-03"}, {"site": "plant", "seu": "hvac", "period": "2025-03"}
OF_SITE = (
    "alerts", "anomalies", "anomalies/events", "orders", "meters", "meters/proposals", "readings/edits",
    "readings/events", "quarantine",
    "bills", "baselines", "baselines/adjustments", "carbon/factors", "reports", "dispatch", "dispatch/ledger",
    "weather", "what-ifs", "recommendations",
)  # fmt: skip
OTHER = {
    "site": "nowhere", "scope": "meter:hvac", "as_of": EARLY, "locale": "de", "compare": "previous", "grain": "day",
    "limit": "1", "cursor": "", "range": "2025-02", "period": "2025-02", "building": "nothing", "tenant": "hall",
    "kpi": "cost", "granularity": "day", "breakdown": "seu", "compareWith": "year", "points": "12",
    "at": "2025-03-17T14:30:00+01:00", "from": "2025-03-20", "to": "2025-02-20", "energy_source": "heat",
    "is_active": "false", "seu_id": "plant/compressors", "start_year": "2024", "end_year": "2026",
    "baseline_version": "9", "figure": "nothing", "of": "assessment", "baseline": BASELINE, "confidence": "0.5",
    "on": "2024-12-01", "all": "perhaps", "history": "perhaps", "trend": "true", "calendarised": "true", "last": "1",
    "account": "A2", "activity": "coal", "kind": "battery", "gwp": "AR5", "supplier": "nobody", "seu": "compressors",
    "what_if": "pieces=+10%", "mix": "a=1", "baseline_id": "plant/hvac/none",
}  # fmt: skip
BILL = (
    "Invoice number,N1\nAccount,A1\nMeter,M1\nTariff,FLAT\nPeriod from,2025-02-01\nPeriod to (exclusive),2025-03-01\n"
    "Currency,EUR\n\nDescription,Quantity,Unit,Rate,Amount\nEnergy,100,kWh,0.20,20\nTotal,,,,20\n"
)
# What is asked without the parameter; where a parameter has a question or value of its own, that.
BASES: dict[str, dict[str, str]] = {
    f"{EMS}/kpis": MARCH, f"{EMS}/series": MARCH, f"{EMS}/running": {"site": "plant"}, f"{EMS}/why": ROW,
    f"{EMS}/quality": {"site": "plant"}, "/api/v1/analytics/enpi": ENPI,
    **{f"{EMS}/analytics/{what}": MARCH for what in ("consumption", "cost", "carbon", "savings")},
    f"{EMS}/enpi": HVAC, f"{EMS}/carbon/report": MONTH, f"{EMS}/meters/balance": MONTH,
    **{f"{EMS}/{path}": {"site": "plant"} for path in OF_SITE},
    f"{EMS}/carbon/restatement": {**MONTH, "from": EARLY, "to": "2026-01-01T00:00:00Z"},
}  # fmt: skip
OWN: dict[tuple[str, str], tuple[dict[str, str], str]] = {
    (f"{EMS}/kpis", "portfolio"): ({"range": "2025-03"}, "all"),
    (f"{EMS}/live/stream", "points"): ({}, ",".join(f"line/{each}" for each in range(40))),
    (f"{EMS}/sites", "limit"): ({}, "0"),
    **{
        (f"{EMS}/analytics/{each}", "limit"): ({**MARCH, "breakdown": "seu"}, "1")
        for each in ("consumption", "cost", "carbon")
    },
    ("/api/v1/analytics/enpi", "start_year"): ({**ENPI, "start_year": "2026", "end_year": "2026"}, "2025"),
    ("/api/v1/analytics/enpi", "end_year"): ({**ENPI, "start_year": "2024", "end_year": "2024"}, "2025"),
    (f"{EMS}/analytics/savings", "breakdown"): (MARCH, "meter"),
    (f"{EMS}/analytics/savings", "scope"): (MARCH, "seu:hvac"),
    (f"{EMS}/alerts/{{rule}}/preview", "months"): ({"site": "plant"}, "0"),
    (f"{EMS}/workflows/{{name}}", "most"): ({"site": "plant"}, "0"),
    (f"{EMS}/why", "at"): (RUNNING, OTHER["at"]),
    (f"{EMS}/why", "baseline"): (USE, BASELINE),
    (f"{EMS}/why", "confidence"): (USE, "0.5"),
    (f"{EMS}/why", "figure"): ({}, "nothing"),
    (f"{EMS}/why", "of"): ({}, MADE),
    (f"{EMS}/enpi", "years"): ({**HVAC, "trend": "true"}, "0"),
    (f"{EMS}/meters", "on"): ({"site": "plant"}, "no day"),
    (f"{EMS}/bills", "period"): ({"site": "plant"}, "2024-02"),
    (f"{EMS}/baselines/{{baseline_id}}", "version"): ({}, "9"),
    **{
        (f"{EMS}/carbon/restatement", name): ({**MONTH, "from": EARLY, "to": "2026-01-01T00:00:00Z"}, value)
        for name, value in (("gwp", "AR1"), ("supplier", "green"))
    },
    (f"{EMS}/carbon/report", "gwp"): (MONTH, "AR1"),
    (f"{EMS}/carbon/report", "supplier"): (MONTH, "green"),
    # Of what the plant has none of, an instant that is yet to come is refused.
    **{
        (f"{EMS}/{path}", "as_of"): ({"site": "plant"}, FUTURE)
        for path in (
            "alerts",
            "anomalies",
            "anomalies/events",
            "orders",
            "orders/{order}",
            "dr/events",
            "dr/events/{event}",
            "meters/proposals",
            "readings/edits",
            "readings/events",
            "quarantine",
            "dispatch/ledger",
            "bills/{bill}",
            "forecasts",
            "forecasts/scores",
            "forecasts/{forecast}",
            "plans",
            "plans/{plan}",
            "tariffs",
            "tariffs/carriers",
        )
    },
    **{
        (f"{EMS}/{path}", name): ({"site": "plant"}, "0")
        for path, name in (
            ("forecasts", "days"),
            ("forecasts", "target"),
            ("forecasts/scores", "days"),
            ("forecasts/scores", "target"),
            ("plans", "days"),
        )
    },
    (f"{EMS}/baselines/adjustments", "as_of"): ({"site": "plant"}, FUTURE),
    (f"{EMS}/recommendations/{{recommendation}}", "as_of"): ({"site": "plant"}, FUTURE),
    **{
        (f"{EMS}/recommendations", name): ({"site": "plant"}, value)
        for name, value in (("status", "done"), ("search", "nowhere"), ("page", "2"), ("size", "0"))
    },
}
# Each of these would change nothing.
IDLE = (
    (f"{EMS}/kpis", {**MARCH, "period": "2025-02"}),
    (f"{EMS}/kpis", {"portfolio": "all", **MARCH}),
    (f"{EMS}/kpis", {"portfolio": "all", "range": "2025-03", "tenant": "hall"}),
    (f"{EMS}/kpis", {"portfolio": "all", "range": "2025-03", "scope": "meter:hvac"}),
    (f"{EMS}/series", {**MARCH, "compare": "baseline"}),
    (f"{EMS}/quality", {**MARCH, "from": "2025-03-20"}),
    (f"{EMS}/analytics/cost", {**MARCH, "grain": "day", "granularity": "month"}),
    (f"{EMS}/analytics/cost", {**MARCH, "scope": "meter:hvac", "breakdown": "seu"}),
    (f"{EMS}/analytics/cost", {**MARCH, "scope": "seu:hvac", "breakdown": "seu"}),
    (f"{EMS}/analytics/cost", {**MARCH, "compareWith": "baseline"}),
    (f"{EMS}/analytics/savings", {**MARCH, "scope": "meter:hvac"}),
    (f"{EMS}/analytics/savings", {**MARCH, "breakdown": "meter"}),
    (f"{EMS}/why", {**ROW, "baseline": BASELINE}),
    (f"{EMS}/why", {**ROW, "confidence": "0.5"}),
    (f"{EMS}/why", {**USE, "at": OTHER["at"]}),
    (f"{EMS}/why", {"of": MADE, "period": "2025-03"}),
    (f"{EMS}/why", {"figure": "nothing", "kpi": "cost"}),
)


def declared() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Method, path and query parameters of each operation that the description names."""
    for path, methods in present()["paths"].items():
        for method, said in methods.items():
            known = (each["name"] for each in said.get("parameters", []) if each["in"] == "query")
            yield method, path, frozenset(known)


OPERATIONS = sorted(declared(), key=lambda each: each[:2])
DECLARED = [(path, name) for method, path, names in OPERATIONS for name in sorted(names) if method == "get"]


@pytest.fixture(scope="module")
def anne(plant_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("asked") / "project"
    shutil.copytree(plant_folder, folder)
    (folder / "people.yaml").write_text("people: [{person_id: anne, name: Anne, roles: [analyst, engineer]}]\n")
    project = OpenProject(str(folder))
    clock = FixedClock(LATER)
    _store_some_of_each(project, clock, folder)
    yield Asking(project, clock, ANNE)
    project.close()


def factor(name: str, value: str, *, basis: Basis = Basis.LOCATION, scope: int = 1, supplier: str = "") -> Factor:
    """A factor of the plant's year."""
    activity = "gas" if scope == 1 else "electricity"
    return Factor(
        factor_id=name, scope=scope, activity=activity, unit="kWh", kg_co2e_per_unit=Decimal(value), basis=basis,
        supplier=supplier, valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1),
    )  # fmt: skip


def _store_some_of_each(project: OpenProject, clock: FixedClock, folder: Path) -> None:
    """A factor that was corrected, two issues of weather and a bill of the plant."""
    for each in (
        factor("gas", "0.3"),
        factor("gas", "0.4"),
        factor("green", "0.1", supplier="green", scope=2, basis=Basis.SUPPLIER),
    ):
        FactorStore(project.store).add(FactorSet(path="f.csv", sha256="0" * 64, factors=(each,)), clock=clock)
    shift = Adjustment(
        baseline_id="plant/hvac/enb", start=date(2025, 3, 10), end=date(2025, 3, 12), kwh_per_day=Decimal(5),
        reason="a third shift", method="submeter", evidence="rota",
    )  # fmt: skip
    AdjustmentStore(project.store).propose(shift, ANNE, clock)
    for hours in (2, 1):
        known = clock.now_utc() - timedelta(hours=hours)
        values = {"temperature_degc": (float(hours),)}
        told = WeatherIssue(
            source="feed", issued_at_utc=known, available_at_utc=known, start_utc=known.replace(minute=0), values=values
        )  # fmt: skip
        project.weather.add("plant", [told], clock)
    kept(Asking(project, clock, ANNE))
    bill = folder / "bill.csv"
    bill.write_text(BILL)
    BillStore(folder / "var" / "bills", project.store).keep_bill(bill, read_bill(bill), site_id="plant", clock=clock)


@pytest.fixture(scope="module")
def figure_id(anne: Asking) -> str:
    """A number that was kept."""
    return posted(anne, "/why/keep", form=ROW).headers["location"].removeprefix("/why?figure=")


def status_and_body(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


@pytest.mark.parametrize(("path", "name"), DECLARED, ids=lambda each: each.removeprefix(EMS))
def test_a_declared_parameter_changes_the_answer(anne: Asking, figure_id: str, path: str, name: str) -> None:
    base, value = OWN.get((path, name), (BASES.get(path, {}), OTHER.get(name, "")))
    real = path.replace("{site_id}", "plant").replace("{figure_id}", figure_id).replace("{name}", "daily_digest")
    real = real.replace("{baseline_id}", "plant/hvac/enb")
    if name == "cursor":
        base = {**base, "limit": "1"}
        first = anne.get(real, **base)
        value = (first.said.get("next") if first.status == 200 else "") or "x"
    one, other = anne.get(real, **base), anne.get(real, **{**base, name: value})
    assert other.status < 500, other.text
    assert status_and_body(one) != status_and_body(other), f"{name}={value} changes nothing: {other.text[:200]}"


@pytest.mark.parametrize(
    ("method", "path", "names"), OPERATIONS, ids=lambda each: each.removeprefix(EMS) if isinstance(each, str) else ""
)
def test_what_is_not_declared_is_refused_by_name(anne: Asking, method: str, path: str, names: frozenset[str]) -> None:
    real = path.replace("{site_id}", "plant").replace("{figure_id}", "nothing").replace("{job_id}", "nothing")
    # Of people and settings an admin alone is told anything, and an approver alone approves events.
    more = (Role.ADMIN, Role.APPROVER, Role.REVIEWER, Role.PUBLISHER)
    all_roles = anne.person.model_copy(update={"roles": (*anne.person.roles, *more)})
    anne = Asking(anne.project, anne.clock, all_roles)
    for name in {"nosuch", *KNOWN} - names:
        answer = (
            anne.get(real, **{name: "x"})
            if method == "get"
            else posted(anne, f"{real}?{name}=x", {}, method=method.upper())
        )
        assert answer.status == 400, (name, answer.text)
        assert f"no parameter {name!r} here" in answer.said["detail"]


@pytest.mark.parametrize(("path", "query"), IDLE, ids=lambda each: str(each)[:60])
def test_what_would_change_nothing_is_refused(anne: Asking, path: str, query: dict[str, str]) -> None:
    answer = anne.get(path, **query)
    assert (answer.status, answer.said["code"]) == (400, "bad_address"), answer.text
    assert answer.said["detail"].count(".") <= 1
