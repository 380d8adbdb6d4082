"""The library of reports: the list, files as they were written, and acts by two people, or why not."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from assets.stores.schema.tables_reports import report_makers
from assets.stores.seals import append_row
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.time import FixedClock, parse_period
from orchestration.open_project import OpenProject
from orchestration.web.work import work_of
from reports.figure_book import FigureBook, figure_list
from reports.lifecycle.revise import store_revision
from reports.report_content import ReportContent
from tests.reports import plant
from tests.reports.publish.conftest import REVISION, MakeDesk, desk
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import Asking
from tests.web.why_world import posted

__all__ = ["desk"]
LATER = plant.NOON + timedelta(days=1)
AT = f"/reports/{REVISION}"


@pytest.fixture
def keyless(desk: MakeDesk) -> Iterator[Asking]:
    """A project of people without keys, as its reviewer sees it."""
    used = desk()
    used.people(keys=False)
    yield from opened(used.folder)


@pytest.fixture
def keyed(desk: MakeDesk) -> Iterator[Asking]:
    """The same where everybody has a key."""
    yield from opened(desk().folder)


def opened(folder: object) -> Iterator[Asking]:
    project = OpenProject(str(folder))
    yield Asking(project, FixedClock(LATER), project.people.known("anna"))
    project.close()


def as_of(asking: Asking, person_id: str) -> Asking:
    return Asking(asking.project, asking.clock, asking.project.people.known(person_id))


def page(asking: Asking, **query: str) -> str:
    answer = asking.get("/reports", [PAGE], **query)
    assert answer.status == 200, answer.text
    return html.unescape(answer.text)


def act(asking: Asking, name: str, seen: str, **form: str) -> Answer:
    return posted(asking, f"{AT}/{name}", form={"reason": "compared with the bills", "seen": seen, **form})


def made_by(asking: Asking, person_id: str) -> None:
    with asking.project.store.begin() as connection:
        append_row(
            connection, report_makers, report_id=REVISION[:-2], revision=1, person_id=person_id, recorded_at_utc=LATER
        )


def test_two_people_take_a_report_to_publication_in_the_browser(keyless: Asking) -> None:
    dirk = as_of(keyless, "dirk")
    shown = page(keyless)
    assert "Approve review of Q1 2025?" in shown
    assert "To review" in shown
    assert act(keyless, "review", "draft").status == 303
    assert "Anna" in page(keyless)
    assert "Publish Q1 2025?" in page(dirk)
    gone = act(dirk, "publish", "reviewed")
    assert (gone.status, gone.headers["location"]) == (
        303,
        f"/reports?site=plant&report={REVISION.replace('/', '%2F').replace('@', '%40')}",
    )
    out = page(dirk, state="published")
    assert "Published" in out
    assert "Withdraw Q1 2025?" in out
    assert "without a signature: compared with the bills" in out
    assert act(dirk, "withdraw", "published", reason="wired wrongly").status == 303
    assert "Withdrawn" in page(keyless)


def test_a_second_click_is_answered_as_the_first_and_acts_once(keyless: Asking) -> None:
    assert [act(keyless, "review", "draft").status for _ in range(2)] == [303, 303]
    other = as_of(keyless, "both")
    late = act(other, "review", "draft")
    assert (late.status, late.said["code"]) == (412, "changed_since")
    assert "the report is reviewed now, and was draft when the page was opened" in late.said["detail"]


def test_who_made_or_reviewed_it_is_offered_no_approval_and_is_told_why(keyless: Asking) -> None:
    made_by(keyless, "ben")
    ben = as_of(keyless, "ben")
    shown = page(ben)
    assert "You made this report, and do not approve your own work. It can be done by Anna, Both." in shown
    assert "Approve review of" not in shown
    refused = act(ben, "review", "draft")
    assert (refused.status, refused.said["code"]) == (403, "own_work")
    both = as_of(keyless, "both")
    assert act(both, "review", "draft").status == 303
    assert "You reviewed this report: a second person publishes it. It can be done by Dirk." in page(both)
    assert act(both, "publish", "reviewed").said["code"] == "own_work"


def test_where_no_second_person_is_left_the_page_says_so(keyless: Asking) -> None:
    made_by(keyless, "ben")
    folder = keyless.project.project.root
    (folder / "people.yaml").write_text("people: [{person_id: anna, name: Anna, roles: [reviewer, publisher]}]\n")
    assert act(keyless, "review", "draft").status == 303
    shown = page(as_of(Asking(keyless.project, keyless.clock, keyless.person), "anna"))
    assert "Nobody else has the role publisher." in shown


def test_the_first_page_of_a_report_runs_as_its_own_language_does(keyless: Asking) -> None:
    for locale in ("en", "ar"):
        assert 'class="paper" lang="en" dir="ltr" inert' in page(keyless, locale=locale)


def test_without_a_reason_without_the_role_and_after_a_return_nothing_is_done(keyless: Asking) -> None:
    assert act(keyless, "review", "draft", reason=" ").said["code"] == "no_reason"
    assert act(keyless, "publish", "draft").status == 403
    assert act(as_of(keyless, "dirk"), "publish", "draft").said["code"] == "not_reviewed"
    assert act(keyless, "return", "draft", reason="the bill of <b>March</b>").status == 303
    shown = keyless.get("/reports", [PAGE]).text
    assert "Returned" in shown
    assert "the bill of &lt;b&gt;March&lt;/b&gt;" in shown
    assert act(as_of(keyless, "both"), "review", "returned").said["code"] == "decided_already"


def test_where_people_have_keys_the_page_signs_or_shows_the_command_and_the_server_signs_for_nobody(
    keyed: Asking,
) -> None:
    shown = page(keyed)
    assert f'meterloom reports review {REVISION} --as anna --reason "…"' in shown
    assert f'data-public-key="{keyed.person.public_key}"' in shown
    refused = act(keyed, "review", "draft")
    assert (refused.status, refused.said["code"]) == (409, "no_key_here")
    assert "the key of Anna is not on the server" in refused.said["detail"]


def test_files_are_handed_out_as_they_were_written_and_no_others(keyless: Asking) -> None:
    shown = page(keyless)
    assert "meterloom report enpi_quarter --site plant --period 2025-Q1 --format pdf" in shown
    missing = keyless.get(f"{AT}/files/pdf")
    assert (missing.status, missing.said["code"]) == (404, "unknown_report")
    assert act(keyless, "review", "draft").status == 303
    assert act(as_of(keyless, "dirk"), "publish", "reviewed").status == 303
    kinds = {
        "pdf": (b"%PDF", "application/pdf"),
        "xlsx": (b"PK", "application/vnd."),
        "json": (b"{", "application/json"),
    }
    for kind, (magic, media_type) in kinds.items():
        given = keyless.get(f"{AT}/files/{kind}")
        assert given.status == 200
        assert given.body.startswith(magic)
        assert given.headers["content-type"].startswith(media_type)
    path = keyless.project.project.reports_dir / "published" / f"{REVISION[:-2].replace('/', '_')}_r1.json"
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    edited = keyless.get(f"{AT}/files/json")
    assert (edited.status, edited.said["code"]) == (409, "edited_file")
    assert keyless.get(f"{AT}/files/exe").status == 404


def test_evidence_with_readings_of_other_sites_is_handed_out_to_who_sees_them_all(keyless: Asking) -> None:
    site, span = keyless.project.site("plant"), parse_period("2025-01", "UTC")
    lake_id = f"elsewhere/{span.start_utc.isoformat()}/{span.end_utc.isoformat()}"
    behind = TraceInput(kind="lake", id=lake_id, role="readings", sha256="0" * 64)

    def build(revision: int) -> ReportContent:
        book = FigureBook(report_id="beside/plant", revision=revision, as_of_utc=LATER, is_synthetic=False)
        book.add(
            "rank", Decimal(1), label="Rank", kpi="rank", scope="site:plant", start=span.start, end=span.end,
            unit="count", computation="peer_place", parameters={"site": "plant"}, inputs=[behind],
        )  # fmt: skip
        return figure_list(book, name="beside", title="Beside", period=span, site=site)

    store_revision(build, keyless.project.reports, keyless.clock)
    own = Person(person_id="eve", name="Eve", roles=keyless.person.roles, sites=("plant",))
    here = Asking(keyless.project, keyless.clock, own)
    refused, whole = (each.get("/reports/beside/plant@1/files/pack") for each in (here, keyless))
    assert (refused.status, whole.status) == (404, 404)
    assert "readings of sites that you do not see" in refused.text
    assert "this file is not made yet" in whole.text
    assert "this file is not made yet" in here.get(f"{AT}/files/pack").text
    offered = [
        "Evidence pack" in each.get("/reports", [PAGE], report="beside/plant@1").text for each in (here, keyless)
    ]
    assert offered == [False, True]


def test_an_unknown_state_or_report_is_refused_and_other_sites_have_none(keyless: Asking) -> None:
    assert keyless.get("/reports", state="lost").status == 400
    assert keyless.get("/reports", report="enpi_quarter/plant/2024-Q1@1").status == 404
    assert "No report is in this state." in page(keyless, state="published")
    stranger = Person(person_id="eve", name="Eve", roles=keyless.person.roles, sites=("elsewhere",))
    elsewhere = Asking(keyless.project, keyless.clock, stranger)
    assert "Approve review of" not in elsewhere.get("/reports", [PAGE]).text
    assert {elsewhere.get(f"{AT}{path}").status for path in ("", "/files/pdf")} == {404}
    assert act(elsewhere, "review", "draft").status == 404


def order_report(asking: Asking, report: str, period: str, subject: str = "plant") -> Answer:
    return posted(asking, "/reports/new", form={"report": report, "subject": subject, "period": period})


def test_an_analyst_has_a_report_made_and_the_draft_opens(keyless: Asking) -> None:
    ben = as_of(keyless, "ben")
    assert ("New report" in page(ben), "New report" in page(keyless)) == (True, False)
    assert keyless.get("/reports/new", [PAGE]).status == 403
    form = html.unescape(ben.get("/reports/new", [PAGE], site="plant").text)
    assert "Data quality report (month, quarter, year)" in form
    # A second click finds the job of the first.
    first, second = (order_report(ben, "data_quality", "2025-02") for _ in range(2))
    assert first.status == 303
    assert first.headers["location"] == second.headers["location"]
    place, _, job = first.headers["location"].partition("?job=")
    assert place == "/job"
    known = work_of(ben.project).job(job, "ben")
    making = ben.get(place, [PAGE], job=job)
    assert (making.status, "the page opens by itself" in making.text, "refresh" in making.headers) == (202, True, True)
    assert known.wait(120) is not None
    assert known.state == "done", known.future.result().message
    # The address of before leads there too.
    for each in (place, "/reports/new"):
        opened = ben.get(each, [PAGE], job=job)
        assert opened.status == 303
        assert "report=data_quality%2Fplant%2F2025-02%401" in opened.headers["location"]
    shown = page(ben, site="plant", report="data_quality/plant/2025-02@1")
    assert "You made this report, and do not approve your own work." in shown
    # Nobody else is told of the job.
    assert as_of(keyless, "anna").get("/reports/new", [PAGE], job=job).status == 403


def test_a_report_that_cannot_be_made_says_why_and_leads_back_to_the_form_as_it_was_filled_in(keyless: Asking) -> None:
    ben = as_of(keyless, "ben")
    # Who asked was taken out of the people file before the job began.
    (keyless.project.project.root / "people.yaml").write_text(
        "people: [{person_id: anna, name: Anna, roles: [viewer]}]"
    )
    where = order_report(ben, "data_quality", "2025-02").headers["location"]
    assert work_of(ben.project).job(where.partition("job=")[2], "ben").wait(120) is not None
    told = html.unescape(ben.get(where, [PAGE]).text)
    assert "'ben'" in told
    assert 'href="/reports/new?site=plant&period=2025-02&report=data_quality">Back to New report' in told


@pytest.mark.parametrize(
    ("report", "period", "subject", "says"),
    [
        ("gri_2016", "2025-02", "plant", "covers a calendar year"),
        ("data_quality", "2019-02", "plant", "has no readings of that period; they run from"),
        ("data_quality", "2031-02", "plant", "is of the future"),
        ("data_quality", "soon", "plant", "cannot read period 'soon'"),
        ("data_quality", "2025-02", "", "no site is chosen"),
        ("mv_project", "2025-02", "plant", "there is no report 'mv_project' of a whole site now"),
    ],
)
def test_what_cannot_be_reported_is_told_over_the_form_as_it_was_filled_in(
    keyless: Asking, report: str, period: str, subject: str, says: str
) -> None:
    refused = order_report(as_of(keyless, "ben"), report, period, subject)
    assert (refused.status, says in html.unescape(refused.text)) == (422, True), refused.text
    assert f'value="{period}"' in refused.text
    assert "Make report" in refused.text


@pytest.mark.parametrize(
    ("report", "period", "subject", "says"),
    [
        ("gri_2016", "2025-02", "plant", "'gri_2016' umfasst einen Kalenderzeitraum (Jahr), nicht '2025-02'"),
        ("enpi_quarter", "2025-01/2025-03", "plant", "Der Zeitraum '2025-01/2025-03' ist nicht lesbar; erwartet wird"),
        ("data_quality", "2019-02", "plant", "hat keine Messwerte aus diesem Zeitraum; sie reichen vom 1. Januar 2025"),
        ("data_quality", "2031-02", "plant", "liegt in der Zukunft: Der Zeitraum beginnt am 1. Februar 2031"),
        ("data_quality", "2025-02", "", "Es ist kein Standort gewählt"),
        ("mv_project", "2025-02", "plant", "Einen Bericht 'mv_project' über einen ganzen Standort gibt es nicht mehr"),
    ],
)
def test_a_refusal_of_the_form_is_said_in_the_language_of_the_page(
    keyless: Asking, report: str, period: str, subject: str, says: str
) -> None:
    form = {"report": report, "subject": subject, "period": period}
    refused = posted(as_of(keyless, "ben"), "/reports/new?locale=de", form=form)
    shown = html.unescape(refused.text)
    assert (refused.status, says in shown) == (422, True), shown
    arabic = posted(as_of(keyless, "ben"), "/reports/new?locale=ar", form=form).text
    assert words_of(arabic) <= {"europe", "berlin", "utc"}


def words_of(page: str) -> set[str]:
    """Latin words of what the page refuses with; what stands in quotes is what was asked for."""
    said = re.findall(r'<p class="text tone-[^>]*>(.*?)</p>', html.unescape(page), re.DOTALL)
    assert said
    return set(re.findall(r"[a-z]{2,}", re.sub(r"'[^']*'", "", " ".join(said)).lower()))


def test_a_period_that_cannot_be_is_answered_with_the_last_whole_one(keyless: Asking) -> None:
    refused = order_report(as_of(keyless, "ben"), "enpi_quarter", "2025-13")
    assert "ask for 2025-Q1, the last whole one" in html.unescape(refused.text)


def test_the_form_opens_with_the_last_whole_period_of_the_report(keyless: Asking) -> None:
    ben = as_of(keyless, "ben")

    def offered(**query: str) -> list[str]:
        shown = ben.get("/reports/new", [PAGE], site="plant", **query).text
        return re.findall(r'name="period"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="period"', shown)[0]

    # The clock stands in April 2025, and the readings begin with that year.
    kinds = {"data_quality": "2025-03", "enpi_quarter": "2025-Q1", "gri_2016": ""}
    assert {each: "".join(offered(report=each)) for each in kinds} == kinds
    assert "".join(offered(report="data_quality", period="2025-01")) == "2025-01"
    german = html.unescape(ben.get("/reports/new", [PAGE], site="plant", locale="de").text)
    assert "(Monat, Quartal, Jahr)" in german


def test_what_is_due_leads_to_the_form_with_kind_and_period(keyless: Asking) -> None:
    asks = html.escape("/reports/new?site=plant&period=2025-02&report=data_quality")
    ben = as_of(keyless, "ben")
    assert asks in ben.get("/reports", [PAGE]).text
    assert asks not in keyless.get("/reports", [PAGE]).text
    opened = ben.get(html.unescape(asks), [PAGE])
    assert opened.status == 200
    assert '<option value="data_quality" selected' in opened.text


def test_the_page_that_waits_says_so_in_its_own_language(keyless: Asking) -> None:
    ben = as_of(keyless, "ben")
    location = order_report(ben, "data_quality", "2025-03").headers["location"]
    waits = html.unescape(ben.get(f"{location}&locale=de", [PAGE]).text)
    assert re.search(r"Bericht Datenqualität[^<]*, März 2025: wird erstellt, noch etwa \d+ s; die Seite öffnet", waits)
    work_of(ben.project).job(location.partition("job=")[2], "ben").wait(120)
