"""Draft, reviewed, published: by two people with keys, never over what stands against it."""

import json
from pathlib import Path

import openpyxl
import pypdf
import pytest
import sqlalchemy as sa

from assets.readings.ingest.published_reports import closed_periods
from assets.stores.published.publications import PublicationStore, Signature
from assets.stores.published.report_ledger import ReportStore
from assets.stores.schema.tables_reports import report_decisions, report_makers
from assets.stores.seals import append_row
from assets.stores.sign import is_signed, new_key
from data_quality.contracts.time import SystemClock
from reports.evidence.lifecycle import stage_of, step_of, with_revision_state
from reports.gates import publication_blockers
from reports.lifecycle.revise import content_sha256, stored_content
from reports.make_report import render_now
from reports.report_content import ReportContent
from reports.texts.locales import long_date
from tests.reports import plant
from tests.reports.conftest import MakeWorld
from tests.reports.publish.conftest import REVISION, Desk, MakeDesk, store_of
from tests.reports.test_store import report
from tests.reports.test_trace import late_row

REVIEW = ("reports", "review", REVISION)
PUBLISH = ("reports", "publish", REVISION)


def test_two_people_take_a_report_from_draft_to_published(desk: MakeDesk) -> None:
    used = desk()
    listed = used.run("reports", "list")[1]["reports"]
    assert [(each["status"], each["stale"]) for each in listed] == [("draft", False)]
    code, said, error = used.run(*REVIEW, "--as", "anna")
    assert (code, said["reports"][0]["status"]) == (0, "reviewed"), error
    code, said, error = used.run(*PUBLISH, "--as", "dirk", "--reason", "board of 3 April")
    assert (code, said["reports"][0]["status"]) == (0, "published"), error
    assert said["decision"]["reason"] == "board of 3 April"
    assert {Path(path).suffix for path in said["files"]} == {".pdf", ".xlsx", ".json"}
    assert all(Path(path).parent.name == "published" and Path(path).exists() for path in said["files"])
    assert used.run("reports", "list")[1]["reports"][0]["status"] == "published"
    store = store_of(used)
    signed = PublicationStore(store).signatures(REVISION)
    assert [(each.kind, each.person_id) for each in signed] == [("reports review", "anna"), ("reports publish", "dirk")]
    assert all(is_signed(each) for each in signed)
    (closed,) = closed_periods(store, plant.plant_site())
    assert (closed.report_id, closed.revision, str(closed.period.end)) == (REVISION[:-2], 1, "2025-04-01")
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), store.begin() as connection:
        connection.execute(report_decisions.update().values(reason="other"))
    store.close()


def test_every_form_prints_the_true_status_and_who_reviewed_and_published(desk: MakeDesk) -> None:
    used = desk()
    before = stored_hash(used)
    draft = "draft: nobody has reviewed it"
    assert_forms(used, "draft", draft, None)
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    today = long_date(SystemClock().now_utc().date(), "en")
    reviewed = f"reviewed by Anna (anna) on {today} (signed)"
    assert_forms(used, "reviewed", f"reviewed: {reviewed}", None)
    assert used.run(*PUBLISH, "--as", "dirk")[0] == 0
    said = f"published: {reviewed}, published by Dirk (dirk) on {today} (signed)"
    assert_forms(used, "published", said, True)
    assert stored_hash(used) == before


def test_a_publication_without_keys_says_so_in_every_form(desk: MakeDesk) -> None:
    used = desk()
    used.people(keys=False)
    assert used.run(*REVIEW, "--as", "anna")[1]["reports"][0]["is_signed"] is False
    assert used.run(*PUBLISH, "--as", "dirk")[1]["reports"][0]["is_signed"] is False
    today = long_date(SystemClock().now_utc().date(), "en")
    steps = ", ".join(
        f"{verb} by {who} on {today} (without a signature)"
        for verb, who in (("reviewed", "Anna (anna)"), ("published", "Dirk (dirk)"))
    )
    assert_forms(used, "published", f"published without a signature: {steps}", False)


def test_a_published_revision_keeps_the_names_of_its_publication(desk: MakeDesk) -> None:
    used = desk()
    assert (used.run(*REVIEW, "--as", "anna")[0], used.run(*PUBLISH, "--as", "dirk")[0]) == (0, 0)
    store = store_of(used)
    reports, publications = ReportStore(store), PublicationStore(store)
    content = stored_content(reports, REVISION[:-2], 1)
    # Dirk has left and Anna has another name: what is out stays byte for byte, what comes after shows what is known.
    later = {"anna": "Anna Neumann", "ben": "Ben"}
    _, out = render_now(content, reports, used.folder / "out", ("pdf", "xlsx", "json"), SystemClock(), later)
    kept = used.folder / "reports" / "published"
    assert [path.read_bytes() for path in out.values()] == [(kept / path.name).read_bytes() for path in out.values()]
    shown = with_revision_state(content.model_copy(update={"locale": "de"}), publications, later).life.sentence("de")
    german = long_date(SystemClock().now_utc().date(), "de")
    assert f"geprüft von Anna (anna) am {german} (unterzeichnet)" in shown
    assert f"veröffentlicht von Dirk (dirk) am {german} (unterzeichnet)" in shown
    # As earlier releases wrote it: ids alone, whatever the people file says now.
    nameless = [each.model_copy(update={"names": {}}) for each in publications.decisions(REVISION[:-2], 1)]
    assert "reviewed by anna on" in stage_of(nameless, (), maker="ben", names=later).sentence()
    assert (
        stage_of([], (), maker="ben", names=later).sentence() == "draft: prepared by Ben (ben), nobody has reviewed it"
    )
    made_by_run = stage_of([], (), maker="run", names=later)
    assert made_by_run.sentence() == "draft: prepared by a Dagster run, nobody has reviewed it"
    assert "erstellt von einem Dagster-Lauf" in made_by_run.sentence("de")
    assert stage_of([], (), maker="gone", names=later).sentence() == "draft: prepared by gone, nobody has reviewed it"
    store.close()


def test_a_signature_over_another_content_is_no_signature(desk: MakeDesk) -> None:
    used = desk()
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    store = store_of(used)
    publications = PublicationStore(store)
    (decision,), (signed,) = publications.decisions(REVISION[:-2], 1), publications.signatures(REVISION)
    assert [step_of(decision.model_copy(update=change), [signed], {}).is_signed for change in (
        {}, {"content_sha256": "0" * 64}, {"person_id": "dirk"}, {"step": "published"}
    )] == [True, False, False, False]  # fmt: skip
    store.close()


def stored_hash(used: Desk) -> tuple[str, str]:
    """Hash of the content that is stored, and of the content read back."""
    store = store_of(used)
    reports = ReportStore(store)
    kept = reports.get(REVISION[:-2], 1)
    again = content_sha256(stored_content(reports, REVISION[:-2], 1))
    store.close()
    return kept.content_sha256, again


def assert_forms(used: Desk, status: str, sentence: str, is_signed: bool | None) -> None:
    """PDF, workbook, JSON and list tell one status; no form says "final"."""
    store = store_of(used)
    reports = ReportStore(store)
    content = stored_content(reports, REVISION[:-2], 1)
    formats = ("pdf", "xlsx", "json")
    shown, files = render_now(content, reports, used.folder / "out", formats, SystemClock(), {})
    store.close()
    assert (shown.life.status, shown.life.sentence()) == (status, sentence)
    pages = [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(files["pdf"]).pages]
    assert sentence in pages[0]
    assert all(shown.life.text.upper() in page for page in pages)
    sheets = openpyxl.load_workbook(files["xlsx"]).worksheets
    assert any(
        sentence in str(cell)
        for sheet in sheets
        for row in sheet.iter_rows(max_row=4, values_only=True)
        for cell in row
    )
    body = json.loads(files["json"].read_bytes())
    assert (body["status"], (body["life"]["published"] or {}).get("is_signed")) == (status, is_signed)
    assert not any(", final" in page for page in pages)
    assert '"final"' not in files["json"].read_text(encoding="utf-8")
    (listed,) = used.run("reports", "list")[1]["reports"]
    assert (listed["status"], listed["said"]) == (status, shown.life.text)
    assert (listed["published"] or {}).get("is_signed") == is_signed


@pytest.mark.parametrize(
    ("words", "person", "why"),
    [
        (REVIEW, "dirk", "has not the role 'reviewer'"),
        (REVIEW, "nobody", "unknown person 'nobody'"),
        (PUBLISH, "anna", "has not the role 'publisher'"),
        (PUBLISH, "dirk", "is not reviewed"),
        ((*REVIEW, "--reason", " "), "anna", "a decision needs a reason"),
        (("reports", "review", "enpi_quarter/plant/2025-Q1@7"), "anna", "no revision"),
        (("reports", "deliver", REVISION), "", "only what is published is delivered"),
    ],
)
def test_a_step_by_the_wrong_person_or_out_of_order_is_refused(
    desk: MakeDesk, words: tuple[str, ...], person: str, why: str
) -> None:
    used = desk()
    code, _, error = used.run(*words, *(["--as", person] if person else []))
    assert (code, why in error) == (2, True), error
    assert used.run("reports", "list")[1]["reports"][0]["status"] == "draft"


def test_nobody_publishes_what_they_reviewed_or_made(desk: MakeDesk) -> None:
    used = desk()
    store = store_of(used)
    made = {"report_id": REVISION[:-2], "revision": 1, "person_id": "ben"}
    with store.begin() as connection:
        append_row(connection, report_makers, **made, recorded_at_utc=SystemClock().now_utc())
    store.close()
    assert "made this report" in used.run(*REVIEW, "--as", "ben")[2]
    assert used.run(*REVIEW, "--as", "both")[0] == 0
    code, _, error = used.run(*PUBLISH, "--as", "both")
    assert (code, "reviewed it and cannot publish it" in error) == (2, True)
    assert "made this report" in used.run(*PUBLISH, "--as", "ben")[2]
    assert used.run(*PUBLISH, "--as", "dirk")[0] == 0


def test_no_step_is_taken_twice(desk: MakeDesk) -> None:
    used = desk()
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    assert "reviewed already, by anna" in used.run(*REVIEW, "--as", "both")[2]
    assert used.run(*PUBLISH, "--as", "dirk")[0] == 0
    assert "published already; it never changes" in used.run(*PUBLISH, "--as", "dirk")[2]


def test_who_has_no_key_or_another_persons_key_acts_not(desk: MakeDesk) -> None:
    used = desk()
    key = used.folder / "keys" / "anna.key"
    key.chmod(0o644)
    assert "can be read by others" in used.run(*REVIEW, "--as", "anna")[2]
    key.unlink()
    assert "no private key of 'anna'" in used.run(*REVIEW, "--as", "anna")[2]
    new_key(key.parent, "anna")
    code, _, error = used.run(*REVIEW, "--as", "anna")
    assert (code, "is not the one of the people file" in error) == (2, True)
    key.write_text("nonsense")
    assert "expected an Ed25519 private key" in used.run(*REVIEW, "--as", "anna")[2]
    assert used.run("reports", "list")[1]["reports"][0]["status"] == "draft"


def test_where_anybody_has_a_key_an_unsigned_act_is_refused(desk: MakeDesk) -> None:
    used = desk()
    used.people(without=("anna",))
    code, _, error = used.run(*REVIEW, "--as", "anna")
    assert (code, "an unsigned act is refused" in error) == (2, True)
    used.people(keys=False)
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    store = store_of(used)
    assert PublicationStore(store).signatures(REVISION) == []
    store.close()


def test_a_changed_action_is_no_longer_signed(desk: MakeDesk) -> None:
    used = desk()
    used.run(*REVIEW, "--as", "anna")
    store = store_of(used)
    (signed,) = PublicationStore(store).signatures(REVISION)
    store.close()
    other = json.loads(signed.action) | {"person_id": "dirk"}
    changes: list[dict[str, str]] = [
        {"person_id": "dirk"},
        {"subject": "x"},
        {"kind": "reports publish"},
        {"action": json.dumps(other, sort_keys=True, separators=(",", ":"))},
        {"signature": "A" * 86 + "=="},
        {"public_key": "A" * 43 + "="},
    ]
    assert is_signed(signed)
    assert [is_signed(signed.model_copy(update=change)) for change in changes] == [False] * len(changes)
    assert Signature.model_validate(signed.model_dump()) == signed


def test_fault_f24_synthetic_readings_are_never_published_as_plain(desk: MakeDesk) -> None:
    used = desk(is_synthetic=True)
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    code, said, _ = used.run(*PUBLISH, "--as", "dirk")
    assert code == 1
    assert "synthetic_data" in {each["code"] for each in said["against_publication"]}
    assert used.run("reports", "list")[1]["reports"][0]["status"] == "reviewed"
    code, said, error = used.run(*PUBLISH, "--as", "dirk", "--allow-synthetic")
    assert (code, said["reports"][0]["status"]) == (0, "published (synthetic)"), error
    assert used.run("reports", "list")[1]["reports"][0]["status"] == "published (synthetic)"
    (pdf,) = (path for path in said["files"] if path.endswith(".pdf"))
    pages = pypdf.PdfReader(pdf).pages
    assert all("SYNTHETIC" in page.extract_text().upper() for page in pages)
    # Page one says why it is no plain report; no page calls itself a draft.
    assert "PUBLISHED OVER SIMULATED READINGS" in pages[0].extract_text()
    assert not any("DRAFT" in page.extract_text() for page in pages)
    packed = used.run("pack", REVISION)[1]
    assert used.run("verify", packed["path"])[1]["status"] == "published (synthetic)"


def test_fault_f24_a_page_without_watermark_is_not_published_even_where_synthetic_is_allowed(
    content: ReportContent,
) -> None:
    marked = content.model_copy(
        update={"figures": (content.figures[0].model_copy(update={"is_synthetic": True}), *content.figures[1:])}
    )
    against = publication_blockers(marked, stale=(), newest=1, broken=None, allow_synthetic=True)
    assert [finding.code for finding in against] == ["synthetic_data"]


def test_fault_f25_a_report_without_its_factor_says_so_and_is_not_published_silently(desk: MakeDesk) -> None:
    used = desk(site=plant.plant_site(factors=()))
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    store = store_of(used)
    reports = ReportStore(store)
    figures = [each for each in reports.figures(REVISION[:-2], 1) if each.kpi == "emission_kgco2e"]
    store.close()
    assert figures
    assert {(each.value, each.status) for each in figures} == {(None, "no_factor")}


def test_a_report_whose_baselines_nobody_approved_is_not_published(desk: MakeDesk) -> None:
    used = desk(approved=())
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    code, said, _ = used.run(*PUBLISH, "--as", "dirk", "--allow-synthetic")
    assert code == 1
    assert said["against_publication"]


def test_late_readings_bar_the_old_revision_and_a_correction_is_the_next_one(
    desk: MakeDesk, world: MakeWorld, tmp_path: Path
) -> None:
    used = world()
    report(used)
    late_row(used)
    stale = publication_blockers(
        ReportContent.model_validate(
            {**used.reports.get(REVISION[:-2], 1).content, "figures": used.reports.figures(REVISION[:-2], 1)}
        ),
        stale=["lake plant/2025"],
        newest=2,
        broken="abc",
        allow_synthetic=False,
    )
    assert [finding.code for finding in stale] == ["chain_broken", "not_newest", "stale"]


def test_a_published_revision_stays_and_its_correction_differs_by_name(desk: MakeDesk) -> None:
    used = desk()
    used.run(*REVIEW, "--as", "anna")
    _, before, _ = used.run(*PUBLISH, "--as", "dirk")
    kept = [Path(path).read_bytes() for path in before["files"]]
    make_correction(used.folder)
    listed = {each["revision"]: each for each in used.run("reports", "list")[1]["reports"]}
    assert (listed[1]["status"], listed[1]["stale"]) == ("published", True)
    assert (listed[2]["status"], listed[2]["stale"]) == ("draft", False)
    changed = used.run("reports", "diff", REVISION, "--with", "2")[1]["figures"]
    assert changed
    assert [Path(path).read_bytes() for path in before["files"]] == kept
    second = REVISION.replace("@1", "@2")
    assert used.run("reports", "review", second, "--as", "anna")[0] == 0
    assert used.run("reports", "publish", second, "--as", "dirk")[0] == 0
    store = store_of(used)
    (closed,) = closed_periods(store, plant.plant_site())
    assert closed.revision == 2
    store.close()


def test_a_stale_revision_is_not_published(desk: MakeDesk) -> None:
    used = desk()
    used.run(*REVIEW, "--as", "anna")
    make_correction(used.folder)
    code, said, _ = used.run(*PUBLISH, "--as", "dirk")
    assert code == 1
    assert {each["code"] for each in said["against_publication"]} == {"not_newest", "stale"}
    assert said["reports"][0]["stale"] is True


def make_correction(folder: Path) -> None:
    """A late reading, and the revision that it makes."""
    from tests.reports.publish.again import world_of

    used = world_of(folder / "var")
    late_row(used)
    assert report(used).content.revision == 2
    used.lake.store.close()
