"""Revisions: same content keeps its number, new data make the next, and the chain tells of tampering."""

import dataclasses
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from assets.stores.published.report_ledger import ReportStore
from assets.stores.published.trace_rows import INPUT_FIELDS
from assets.stores.schema import tables_reports
from assets.stores.schema.tables_reports import revision_inputs
from assets.stores.transactions import open_store
from data_quality.contracts.errors import BadInput
from reports.assess import UseRequest, baselines_in_force
from reports.lifecycle.revise import content_sha256, store_revision, stored_content
from reports.make_report import ReportRequest, StoredReport, make_report, render
from reports.recompute.figure_sources import seu_of
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World
from tests.reports.quarter import enpi_quarter
from tests.reports.test_trace import late_row


def report(used: World, **options: object) -> StoredReport:
    return make_report(
        "enpi_quarter",
        used.site,
        plant.quarter(),
        ReportRequest(
            sources=used.sources(),
            reports=used.reports,
            clock=used.clock,
            out_dir=used.lake.root.parent / "files",
            formats=("json",),
            **options,
        ),
    )


def test_the_same_data_keep_their_revision_however_often_asked(world: MakeWorld) -> None:
    used = world()
    assert report(used).is_new
    used.clock.advance(timedelta(days=1))
    again = report(used)
    assert (again.content.revision, again.is_new) == (1, False)
    assert len(used.reports.revisions()) == 1


def test_late_data_make_the_next_revision(world: MakeWorld) -> None:
    used = world()
    first = used.reports.store.known_at(used.clock)
    report(used)
    late_row(used)
    assert report(used).content.revision == 2
    before, after = (stored_content(used.reports, "enpi_quarter/plant/2025-Q1", number) for number in (1, 2))
    assert {figure.path for figure in before.figures} == {figure.path for figure in after.figures}
    assert not {figure.figure_id for figure in before.figures} & {figure.figure_id for figure in after.figures}
    # The view of then gives the figures of then.
    then = report(used, as_of_utc=first).content
    assert [figure.value for figure in then.figures] == [figure.value for figure in before.figures]


def test_what_is_stored_reads_back_as_it_was(world: MakeWorld) -> None:
    used = world()
    content, is_new = store_revision(used.build, used.reports, used.clock)
    assert is_new
    assert stored_content(used.reports, content.report_id, 1) == content
    assert used.reports.figure(content.figures[0].figure_id) == content.figures[0]
    assert used.reports.figures(content.report_id, 1) == list(content.figures)
    (revision,) = used.reports.revisions(
        "plant", name="enpi_quarter", as_of_utc=used.reports.store.known_at(used.clock)
    )
    assert revision.content_sha256 == content_sha256(content)


def test_the_digest_ignores_revision_and_asking_time_only(good: World) -> None:
    later = enpi_quarter(dataclasses.replace(good.given, as_of_utc=plant.NOON + timedelta(days=9)))
    assert content_sha256(good.build(0)) == content_sha256(good.build(7)) == content_sha256(later)
    other = good.build(0).model_copy(update={"title": "Other"})
    assert content_sha256(other) != content_sha256(good.build(0))


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("figures", 'UPDATE figures SET figure = replace(figure, \'"unit":"kwh"\', \'"unit":"mwh"\')'),
        ("figures", "DELETE FROM figures WHERE position = 5"),
        ("figures", 'UPDATE figures SET figure = replace(figure, \'"value":"1\', \'"value":"2\') WHERE position = 1'),
        ("revision_inputs", "UPDATE revision_inputs SET sha256 = 'x' WHERE kind = 'lake'"),
        ("revision_inputs", "UPDATE revision_inputs SET sha256 = 'x' WHERE role = 'code'"),
        ("revision_inputs", "DELETE FROM revision_inputs WHERE kind = 'version'"),
        ("revision_inputs", "DELETE FROM revision_inputs"),
        ("report_revisions", "UPDATE report_revisions SET content = replace(content, 'Summary', 'summary')"),
    ],
)
def test_the_chain_breaks_where_somebody_tampers(world: MakeWorld, table: str, statement: str) -> None:
    used = world()
    report(used)
    assert used.reports.broken_link("plant") is None
    with used.lake.store.begin() as connection:
        for verb in ("update", "delete"):
            connection.execute(sa.text(f"DROP TRIGGER {table}_no_{verb}"))
        connection.execute(sa.text(statement))
    assert used.reports.broken_link("plant") is not None


def test_a_changed_sentence_is_told_where_the_figures_lost_their_hashes_too(world: MakeWorld) -> None:
    used = world()
    report(used)
    with used.lake.store.begin() as connection:
        for statement in (
            "DROP TRIGGER report_revisions_no_update",
            "DROP TRIGGER figures_no_update",
            "UPDATE report_revisions SET content = replace(content, 'Summary', 'summary')",
            "UPDATE figures SET hash = ''",
        ):
            connection.execute(sa.text(statement))
    assert used.reports.broken_link("plant") is not None


def test_traces_are_append_only(world: MakeWorld) -> None:
    used = world()
    report(used)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), used.lake.store.begin() as connection:
        connection.execute(tables_reports.figures.delete())


def test_a_failing_stamp_leaves_nothing_behind(world: MakeWorld) -> None:
    used = world()
    store_revision(used.build, used.reports, used.clock)

    def build(revision: int) -> object:
        if revision == 2:
            raise RuntimeError("power cut")
        return used.build(revision).model_copy(update={"title": "Another"})

    with pytest.raises(RuntimeError, match="power cut"):
        store_revision(build, used.reports, used.clock)  # type: ignore[arg-type]
    assert len(used.reports.revisions()) == 1


def test_an_unknown_revision_is_a_bad_request(good: World) -> None:
    with pytest.raises(BadInput, match="no revision 9"):
        good.reports.get("enpi_quarter/plant/2025-Q1", 9)


def test_a_figure_and_its_trace_take_half_a_kilobyte(world: MakeWorld) -> None:
    used = world()
    report(used)
    count = len(used.reports.figures("enpi_quarter/plant/2025-Q1", 1))
    store = used.lake.store
    rows = [*store.rows(sa.select(tables_reports.figures)), *store.rows(sa.select(revision_inputs))]
    assert sum(len(json.dumps(list(row.values()), separators=(",", ":"))) for row in rows) < 500 * count


def test_sql_sees_every_input_of_every_trace(world: MakeWorld) -> None:
    used = world()
    report(used)
    figures = used.reports.figures("enpi_quarter/plant/2025-Q1", 1)
    with used.lake.store.begin() as connection:
        found = {
            (row.figure_id, row.position): tuple(getattr(row, name) for name in INPUT_FIELDS)
            for row in connection.execute(sa.text("SELECT * FROM trace_inputs"))
        }
    assert found == {
        (figure.figure_id, place): tuple(getattr(given, name) for name in INPUT_FIELDS)
        for figure in figures
        for place, given in enumerate(figure.trace.inputs)
    }


def test_an_approved_baseline_judges_before_a_newer_provisional_one(world: MakeWorld) -> None:
    used = world()
    newer = plant.plant_baseline("hvac").model_copy(update={"model": "ols_daily_2"})
    used.baselines.add(newer, "run-2", "e" * 64, "ben", used.clock)
    assert baselines_in_force(used.site, used.baselines)["hvac"].version == 1
    version = baselines_in_force(used.site, used.baselines)["hvac"]
    as_of_utc = used.reports.store.known_at(used.clock)
    asked = UseRequest(used.site, seu_of(used.site, "hvac"), version, used.sources(), as_of_utc)
    result = asked.assess(plant.quarter())
    assert (result.status, result.baseline_version) == ("warning", 1)


def test_an_unknown_use_is_named_with_those_that_are(good: World) -> None:
    with pytest.raises(BadInput, match="no SEU 'oven'; it has compressors, hvac, moulding"):
        seu_of(good.site, "oven")


def test_files_are_written_whole_and_named_by_revision(good: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files") / "reports"
    files = render(good.build(3), folder, ("pdf", "xlsx", "json"))
    assert {each: path.name for each, path in files.items()} == {
        each: f"enpi_quarter_plant_2025-Q1_r3.{each}" for each in ("pdf", "xlsx", "json")
    }
    assert {path.name for path in folder.iterdir()} == {path.name for path in files.values()}


def test_an_unknown_format_is_refused(good: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BadInput, match="unknown format 'doc'"):
        make_report(
            "enpi_quarter",
            good.site,
            plant.quarter(),
            ReportRequest(
                sources=good.sources(),
                reports=good.reports,
                clock=good.clock,
                out_dir=tmp_path_factory.mktemp("none"),
                formats=("doc",),
            ),
        )


def test_revisions_mean_the_same_on_postgresql(good: World, postgres_url: str) -> None:
    store = open_store(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        reports = ReportStore(store)
        content, is_new = store_revision(good.build, reports, good.clock)
        assert (content.revision, is_new) == (1, True)
        assert store_revision(good.build, reports, good.clock) == (content, False)
        assert reports.broken_link("plant") is None
        with pytest.raises(sa.exc.DatabaseError, match="append-only"), store.begin() as connection:
            connection.execute(tables_reports.figures.delete())
        view = sa.text("SELECT figure_id, position, kind, id, role, sha256, value FROM trace_inputs")
        wanted = [
            (figure.figure_id, place, *(getattr(given, name) for name in INPUT_FIELDS))
            for figure in content.figures
            for place, given in enumerate(figure.trace.inputs)
        ]
        with store.begin() as connection:
            assert sorted(map(tuple, connection.execute(view))) == sorted(wanted)
    finally:
        store.close()
