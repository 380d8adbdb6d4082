"""Events settled by Dagster, and the report of a settled event: figures that trace, and a pack that verifies."""

import json
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.published.publications import PublicationStore
from assets.stores.schema.tables_demand_response import dr_settlements
from assets.stores.sign import new_key
from controls.ledger.modes import set_mode
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.control.dr_event import DrEvent, Settlement
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from orchestration.demand_response.acts import create_event
from orchestration.demand_response.run import advance
from orchestration.demand_response.settle import behind
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from orchestration.warehouse.dbt import kpi_definition
from reports.datasets.dr_events import day_of, shed_clause
from reports.evidence.pack import PackMaker
from reports.evidence.verify_pack import verify_pack
from reports.figures.trace import stale_revisions, trace_figure
from reports.make_report import ReportRequest, StoredReport, make_report
from reports.render.heading import facts_text
from reports.texts.locales import long_date
from tests.orchestration import test_dr_events as events
from tests.orchestration.test_cli import run
from tests.reports.pseudo_language import CODE, names_in, pseudo_reports, shown_in, unwrapped
from tests.reports.test_tagged_pdf import assert_is_tagged

# Dagster announces what is in beta.
pytestmark = pytest.mark.filterwarnings("ignore")
made = events.made
here = events.here
DAY = timedelta(days=1)
LATER = events.START + timedelta(hours=6)


@pytest.fixture
def over(here: events.Here) -> tuple[OpenProject, DrEvent]:
    """A project with an event that is over, in SIMULATION: nothing was sent."""
    set_mode(here.project.store, "plant", mode=Mode.SIMULATION, person=events.ANN, reason="test", clock=here.time)
    event = here.armed()
    here.begin()
    here.run(3600, step_s=60)
    advance(here.project, here.time)
    assert here.now(event).state == "restore"
    return here.project, event


@pytest.fixture
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def settled_by(dagster: dg.DagsterInstance, project: OpenProject, at: datetime = LATER) -> dict[str, Any]:
    """The job run as Dagster does it; the metadata of what it made."""
    from orchestration.build import build_defs

    resources = {
        "project": ProjectResource(root=str(project.project.root)),
        "clock": dg.ResourceDefinition.hardcoded_resource(FixedClock(at)),
    }
    dagster.add_dynamic_partitions("sites", ["plant"])
    job = build_defs(resources).resolve_job_def("dr_settle")
    result = job.execute_in_process(instance=dagster, partition_key="plant")
    assert result.success
    [event] = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)


def newest(project: OpenProject, event: DrEvent) -> Settlement:
    found = DrEvents(project.store).settlement(event.event_id)
    assert found is not None
    return found


def corrected(project: OpenProject, folder: Path) -> None:
    """Another reading of the main meter in the event's hour."""
    hours = ((events.START - events.HOUR, 100.5), (events.START, 60), (events.START + events.HOUR, 100.5))
    rows = [f"main,{at.isoformat()},{kwh}\n" for at, kwh in hours]
    (folder / "late.csv").write_text("meter,timestamp,kwh\n" + "".join(rows))
    code, _, error = run("ingest", str(folder / "late.csv"), "--site", "plant", folder=project.project.root)
    assert code == 0, error


def report_of(project: OpenProject, event: DrEvent, folder: Path, **said: Any) -> StoredReport:
    site = said.pop("site", project.site("plant"))
    return make_report(
        "dr_event",
        site,
        day_of(event, site.time_zone),
        ReportRequest(
            sources=project.sources(), reports=project.reports, clock=FixedClock(LATER), out_dir=folder, **said
        ),
        event_id=event.event_id,
    )


def test_the_job_settles_an_event_and_a_corrected_reading_gives_the_next_version(
    over: tuple[OpenProject, DrEvent], dagster: dg.DagsterInstance, tmp_path: Path
) -> None:
    project, event = over
    shown = settled_by(dagster, project)
    first = newest(project, event)
    assert (first.version, first.person_id, first.rule and first.rule.method) == (1, "", "matching-day")
    assert "data:image/png;base64" in str(shown[event.event_id].value)
    assert event.event_id in str(shown["settlements"].value)
    before = behind(project, LATER)
    settled_by(dagster, project)
    assert newest(project, event).version == 1
    assert behind(project, LATER) == before
    corrected(project, tmp_path)
    assert behind(project, LATER) != before
    settled_by(dagster, project)
    second = newest(project, event)
    assert second.version == 2
    assert first.rule is not None
    assert second.rule is not None
    assert (second.rule.shed_kwh or 0) > (first.rule.shed_kwh or 0) + 20
    assert [row["version"] for row in project.store.rows(dr_settlements.select())] == [1, 2]


def test_an_event_without_readings_waits_and_one_that_never_began_is_not_asked_for(
    here: events.Here, dagster: dg.DagsterInstance
) -> None:
    project, clock = here.project, here.time
    span = (events.START + DAY, events.START + DAY + events.HOUR)
    said: dict[str, Any] = {"clock": clock, "person": events.ANN}
    event = create_event(project, "plant", "own_peak", span, 7, **said)[0]
    assert behind(project, LATER + DAY) == {}
    # An approval holds for 24 hours.
    clock.pass_(6 * 3600)
    here.arm(here.approve(here.propose(event)))
    for at in span:
        clock.pass_((at - clock.wall).total_seconds() + 1)
        advance(project, clock)
    assert here.now(event).state == "restore"
    assert list(behind(project, LATER + DAY)["plant"]) == [event.event_id]
    shown = settled_by(dagster, project, LATER + DAY)
    assert "waits for readings" in str(shown["settlements"].value)
    assert DrEvents(project.store).settlement(event.event_id) is None


def test_the_report_of_an_event_says_what_the_command_shows_and_each_figure_is_made_again(
    over: tuple[OpenProject, DrEvent], dagster: dg.DagsterInstance, tmp_path: Path
) -> None:
    project, event = over
    with pytest.raises(BadInput, match="is not settled"):
        report_of(project, event, tmp_path / "out")
    settled_by(dagster, project)
    content = report_of(project, event, tmp_path / "out").content
    assert_is_tagged(content)
    code, out, error = run("dr", "event", "show", event.event_id, "--json", folder=project.project.root)
    assert code == 0, error
    told = json.loads(out)["event"]["settlement"]
    figures = {each.path.removeprefix(f"dr_event/dr:{event.event_id}"): each for each in content.figures}
    day = f"{events.START:%Y-%m-%d}"
    for part in ("rule", "best"):
        for field in ("baseline_kwh", "actual_kwh", "shed_kwh", "rebound_kwh"):
            # By the rule is the event itself: no number appears twice.
            value = figures[f"{'' if part == 'rule' else '/best'}/{day}/{field}"].value
            assert value is not None
            assert float(value) == pytest.approx(told[part][field], abs=1e-6)
    assert [float(figures[f"/{day}/{each}"].value or 0) for each in ("income", "penalty", "target_kwh")] == [
        told["income"], told["penalty"], told["target_kwh"],
    ]  # fmt: skip
    for figure in content.figures:
        assert trace_figure(figure.figure_id, reports=project.reports, sources=project.sources()).is_equal
    # What was measured is read again, not quoted: a later correction is another number under the same trace.
    assert figures[f"/{day}/actual_kwh"].trace.parameters["field"] == "actual_kwh"
    texts = [cell.text for each in content.tables() for row in each.rows for cell in row.cells]
    assert any("SIMULATION" in each or "none sent" in each for each in texts)
    assert "bob" in str(texts)
    assert facts_text(content).startswith(f"{long_date(events.START.date(), content.locale)}, local days of")
    assert newest(project, event).rule is not None
    corrected(project, tmp_path)
    assert any(stale_revisions(project.reports, project.sources()).values())
    late = report_of(project, event, tmp_path / "out").content
    assert {each.code for each in late.findings if each.is_blocking} == {"settlement_stale"}
    assert late.status == "draft"


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_a_shed_below_zero_is_told_as_more_use_than_the_baseline(locale: str) -> None:
    shed, more = shed_clause(7.5, locale), shed_clause(-7.5, locale)
    assert "{shed}" in shed
    assert "{shed}" in more
    assert shed != more
    assert locale != "en" or more == "the meter used {shed} more than the baseline"


def test_the_report_of_an_event_speaks_the_language_of_its_site_and_no_word_is_outside_the_catalogues(
    over: tuple[OpenProject, DrEvent], dagster: dg.DagsterInstance, tmp_path: Path
) -> None:
    project, event = over
    settled_by(dagster, project)
    for language, words in (("de", "Gesenkt nach der Regel"), ("ar", "الخفض حسب القاعدة")):
        site = project.site("plant").model_copy(update={"locale": language})
        made = report_of(project, event, tmp_path / "out", site=site)
        assert words in made.files["json"].read_text(encoding="utf-8")
        assert made.files["pdf"].stat().st_size > 10_000
    with pseudo_reports(tmp_path, "dr_event") as folder:
        content = report_of(project, event, tmp_path / "out", language=CODE, templates_dir=folder).content
    # Methods by their ids, codes of states and of the mode, loads by their names, and who acted.
    shown = shown_in(content)
    for each in newest(project, event).methods:
        shown = [text.replace(each.name, "") for text in shown]
    names = names_in(project.site("plant")) | {"ann", "bob", "stairs", *CommandState, Mode.SIMULATION.name}
    assert unwrapped(shown, names) == {}


def test_the_pack_of_the_report_verifies_and_an_altered_byte_is_found(
    over: tuple[OpenProject, DrEvent], dagster: dg.DagsterInstance, tmp_path: Path
) -> None:
    project, event = over
    settled_by(dagster, project)
    made = report_of(project, event, tmp_path / "out")
    maker = PackMaker(
        reports=project.reports, publications=PublicationStore(project.store), lake=project.lake,
        definitions=project.sources().definitions,
    )  # fmt: skip
    path = tmp_path / "event.zip"
    maker.make(
        project.reports.revisions()[-1], path, signer=new_key(tmp_path / "keys", "project"), signer_name="project",
        policy="full", clock=FixedClock(LATER),
    )  # fmt: skip
    found = verify_pack(path, definition=kpi_definition(), sample=None)
    assert found.problems == ()
    assert found.recomputed == len(made.content.figures)
    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(altered, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, data.replace(b"income", b"incomE", 1) if "dr_settlements" in name else data)
    assert not verify_pack(altered, definition=kpi_definition(), sample=None).verified
