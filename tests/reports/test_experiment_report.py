"""The report of an experiment: both arms, the saving with its band, looks and verdict, each number recomputed."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

import pytest

from assets.experiments.experiment_days import draw_experiment
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.published.publications import PublicationStore
from assets.stores.sign import new_key
from controls.ledger.modes import set_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.experiment import Experiment, FollowedDay
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock, SystemClock, parse_period
from orchestration.open_project import OpenProject
from reports.datasets.experiments import days_of
from reports.evidence import manifest as names
from reports.evidence.pack import PackMaker
from reports.figures.trace import trace_figure
from reports.make_report import ReportRequest, StoredReport, make_report
from reports.report_content import Table
from tests.controls.planning.examples import HOME, plan
from tests.definitions import DEFINITIONS, verify_pack
from tests.orchestration.test_cli import run
from tests.orchestration.test_experiment_command import BATTERY, SITE, TARIFF, project
from tests.reports.pseudo_language import CODE, names_in, pseudo_reports, shown_in, unwrapped
from tests.reports.test_tagged_pdf import assert_is_tagged

FIRST, DAYS = date(2026, 1, 5), 60
BEFORE = FixedClock(datetime(2026, 1, 2, 9, tzinfo=UTC))


def readings(made: Experiment) -> list[str]:
    """Quarter hours of the meter: a day of the habit takes 8 kWh more than one of the plan."""
    lines = ["meter,timestamp,kwh"]
    for n, span in enumerate(made.spans):
        used = 20.0 + (8.0 if span.arm == "habit" else 0.0) + (n * 7 % 5) * 0.4
        count = (span.end_utc - span.start_utc) // timedelta(minutes=15)
        at = (span.start_utc + k * timedelta(minutes=15) for k in range(count))
        lines += [f"grid,{each.isoformat()},{used / count:.6f}" for each in at]
    return lines


def world(folder: Path, mode: Mode, days: int) -> OpenProject:
    """A house whose experiment is over, with a day that could not be compared."""
    root = project(folder, SITE + BATTERY + TARIFF)
    made = draw_experiment(
        "house", "Europe/Berlin", first=FIRST, days=days, share=0.3, seed=7, now_utc=BEFORE.now_utc()
    )  # fmt: skip
    (folder / "grid.csv").write_text("\n".join(readings(made)) + "\n")
    code, out, error = run("ingest", str(folder / "grid.csv"), "--site", "house", folder=root)
    assert code == 0, out + error
    opened = OpenProject(str(root))
    if mode is Mode.PARTIAL:
        set_mode(opened.store, "house", mode=mode, person=opened.people.known("eve"), reason="test", clock=BEFORE)
    kept = ExperimentStore(opened.store)
    planned = (
        PlanStore(opened.store)
        .add_with_commands(plan(site=HOME.model_copy(update={"site_id": "house"})), (), BEFORE)
        .plan
    )
    kept.start(made, person_id="eve", reason="proof", clock=BEFORE)
    for n, span in enumerate(made.spans):
        day = FollowedDay(
            start_utc=span.start_utc, arm=span.arm, followed=span.arm, is_comparable=n != 4,
            plan_id=planned.plan_id if n == 0 else "",
        )  # fmt: skip
        kept.follow(made, day, FixedClock(span.start_utc + timedelta(minutes=5)))
    return opened


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    opened = world(tmp_path_factory.mktemp("tried"), Mode.PARTIAL, DAYS)
    yield opened
    opened.close()


def report(opened: OpenProject, out: Path, **asked: str) -> StoredReport:
    site = opened.site("house")
    made = ExperimentStore(opened.store).named("house")
    period = days_of(made, site.time_zone)
    return make_report(
        "experiment",
        site,
        parse_period(asked.pop("period", f"{period.start}/{period.end}"), site.time_zone),
        ReportRequest(
            sources=opened.sources(),
            reports=opened.reports,
            out_dir=out,
            clock=SystemClock(),
            names=opened.names,
            language=asked.get("language", ""),
            templates_dir=Path(asked["templates"]) if "templates" in asked else None,
        ),
        event_id=asked.get("event"),
    )


def test_the_saving_stands_with_band_looks_and_verdict_and_every_number_is_made_again(
    tried: OpenProject, tmp_path: Path
) -> None:
    made = report(tried, tmp_path).content
    assert_is_tagged(made)
    by_path = {each.path.partition("/")[2]: each for each in made.figures}
    saving, low, high = (
        next(v for k, v in by_path.items() if k.endswith(f"/{name}")) for name in ("saving", "low", "high")
    )
    assert float(saving.value or 0) == pytest.approx(8 * 0.3, rel=0.1)
    assert low.value is not None
    assert high.value is not None
    assert Decimal(0) < low.value < saving.value < high.value  # type: ignore[operator]
    tables = {block.key: block for section in made.sections for block in section.blocks if isinstance(block, Table)}
    assert len(tables["looks_table"].rows) == 4
    assert len(tables["days"].rows) == DAYS
    texts = " ".join(str(getattr(block, "text", "")) for section in made.sections for block in section.blocks)
    assert "control saves money" in texts
    codes = {each.code for each in made.findings}
    assert ("days_left_out" in codes, "nothing_sent" in codes) == (True, False)
    sources = tried.sources()
    for figure in list(made.figures)[:12]:
        assert trace_figure(figure.figure_id, reports=tried.reports, sources=sources).is_equal


def test_no_word_of_the_report_is_outside_the_catalogues(tried: OpenProject, tmp_path: Path) -> None:
    with pseudo_reports(tmp_path, "experiment") as folder:
        content = report(tried, tmp_path / "out", language=CODE, templates=str(folder)).content
        # Who began it, and why.
        assert unwrapped(shown_in(content), names_in(tried.site("house")) | {"eve", "proof"}) == {}


def test_a_sealed_pack_holds_the_acts_and_plans_of_the_experiment_and_verifies_alone(
    tried: OpenProject, tmp_path: Path
) -> None:
    made = report(tried, tmp_path).content
    maker = PackMaker(
        reports=tried.reports, publications=PublicationStore(tried.store), lake=tried.lake, definitions=DEFINITIONS
    )
    sealed = maker.make(
        tried.reports.get(made.report_id, made.revision), tmp_path / "pack.zip",
        signer=new_key(tmp_path / "keys", "project"), signer_name="project", policy="full", clock=SystemClock(),
    )  # fmt: skip
    with ZipFile(sealed.path) as held:
        acts, plans = (json.loads(held.read(f"{names.STORE}{name}.json")) for name in ("experiment_acts", "plans"))
    assert [each["act"] for each in acts] == ["start", *["day"] * DAYS]
    [planned] = plans
    assert planned["plan_id"] == acts[1]["said"]["day"]["plan_id"] != ""
    found = verify_pack(sealed.path, sample=8)
    assert (found.verified, found.problems, found.recomputed) == (True, (), 8)
    # It can fail: a day that was put into the other arm afterwards.
    forged = tmp_path / "forged.zip"
    with ZipFile(sealed.path) as old, ZipFile(forged, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b'"followed":"habit"', b'"followed":"plan"', 1))
    assert not verify_pack(forged, sample=0).verified


def test_another_period_or_an_id_of_none_is_refused(tried: OpenProject, tmp_path: Path) -> None:
    for asked, reason in (({"period": "2026-01"}, "bad_period"), ({"event": "zz"}, "no_experiment")):
        with pytest.raises(BadInput) as fault:
            report(tried, tmp_path, **asked)
        assert fault.value.reason == reason


def test_of_an_experiment_in_which_nothing_was_sent_no_saving_is_told(tmp_path: Path) -> None:
    opened = world(tmp_path, Mode.SIMULATION, 20)
    made = report(opened, tmp_path).content
    opened.close()
    assert made.status == "draft"
    assert "nothing_sent" in {each.code for each in made.findings}
    savings = [each for each in made.figures if each.kpi in ("saving", "low", "high")]
    assert {(each.value, each.status) for each in savings} == {(None, "nothing_sent")}
    texts = " ".join(str(getattr(block, "text", "")) for section in made.sections for block in section.blocks)
    assert "saves money" not in texts
