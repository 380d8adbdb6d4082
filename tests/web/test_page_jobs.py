"""Buttons that start a job: who is shown one, what it starts, and the act of a page that shows nothing yet."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controls.ledger.rows import read_commands
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.open_project import OpenProject
from orchestration.web.pages.job_pages import PAGE_JOBS
from orchestration.web.work import Job, work_of
from reports.texts.locales import moment
from tests.controls.planning.examples import DAY, HOME
from tests.orchestration.test_plan_site import SUN_KWH, TARIFF, USED_KWH, by_hour, home, write
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.why_world import posted

PEOPLE = """\
people: [{person_id: ben, name: Ben, roles: [analyst, engineer]}, {person_id: vera, name: Vera, roles: [auditor]}]
"""
CLOCK = FixedClock(plant.NOON + timedelta(days=1))
BUTTONS = [page for page, job in PAGE_JOBS.items() if job.submit]
# By the address of its button the page that has it, where that is one of several.
SHOWN = {"/enpi": "/enpi/plant/cooling"}


def person(name: str, *roles: Role) -> Person:
    return Person(person_id=name.lower(), name=name, roles=roles)


def opened(folder: Path, *, has_readings: bool = True) -> Iterator[Asking]:
    [hvac] = [each for each in plant.plant_site().seus if each.seu_id == "hvac"]
    cooling = hvac.model_copy(update={"seu_id": "cooling", "name": "Cooling"})
    site = plant_of_the_web(forecast_targets=("main",), assets=HOME.assets[:1], seus=(hvac, cooling))
    project = make_project(folder, site, has_marts=False, has_readings=has_readings)
    (folder / "people.yaml").write_text(PEOPLE)
    yield Asking(project, CLOCK, person("Ben", Role.ANALYST, Role.ENGINEER))
    project.close()


@pytest.fixture
def ben(tmp_path: Path) -> Iterator[Asking]:
    """A plant with three months of readings, as its analyst sees it."""
    yield from opened(tmp_path / "plant")


def seen_by(asking: Asking, role: Role) -> Asking:
    return Asking(asking.project, asking.clock, person("Vera", role))


def begun(asking: Asking, page: str, **form: str) -> tuple[str, Job]:
    """Where the button leads, and the job that it began."""
    answer = posted(asking, f"{page}/run?site=plant", form=form)
    assert answer.status == 303, answer.text
    where = answer.headers["location"]
    return where, work_of(asking.project).job(where.partition("job=")[2], asking.person.person_id)


@pytest.mark.parametrize("page", BUTTONS)
def test_who_may_start_the_job_is_shown_its_button_and_nobody_a_command(ben: Asking, page: str) -> None:
    job = PAGE_JOBS[page]
    place = SHOWN.get(page, page)
    shown = html.unescape(ben.get(place, [PAGE], site="plant").text)
    assert f'action="{page}/run?site=plant"' in shown
    assert job.submit in shown
    viewer = seen_by(ben, Role.AUDITOR)
    told = html.unescape(viewer.get(place, [PAGE], site="plant").text)
    assert (job.none[:-1] in told, f"{page}/run" in told) == (True, False)
    # The program that runs beside the pages is started in a shell.
    assert "meterloom " not in (shown + told).replace("meterloom up", "")
    # There are readings: nobody is sent to upload some.
    engineer = seen_by(ben, Role.ENGINEER).get(place, [PAGE], site="plant").text
    assert not any("Upload files" in each for each in (shown, told, engineer))
    assert posted(viewer, f"{page}/run?site=plant", form={}).status == 403
    assert work_of(ben.project).newest(tuple(job.command.split())) is None


def test_the_button_waits_with_one_job_and_then_the_page_opens(ben: Asking) -> None:
    where, job = begun(ben, "/advice")
    assert job.words == ("advise", "run", "--site=plant", "--period=2025-Q1", "--as", "ben")
    assert begun(ben, "/advice") == (where, job)
    making = ben.get(where, [PAGE])
    assert (making.status, "the page opens by itself" in making.text, "refresh" in making.headers) == (202, True, True)
    assert job.wait(120) is not None
    assert job.state == "done", job.future.result().message
    ready = ben.get(where, [PAGE])
    assert (ready.status, ready.headers.get("location")) == (303, "/advice?site=plant")
    # Nobody else is told of the job.
    assert seen_by(ben, Role.VIEWER).get(where, [PAGE]).status == 404


def test_advice_that_finds_nothing_says_which_readings_it_examined(ben: Asking) -> None:
    # A weekend is too short for what is looked for.
    words = ("advise", "run", "--site=plant", "--period=2025-01-04/2025-01-06", "--as", "ben")
    job = work_of(ben.project).ask(words, person_id="ben", now_utc=CLOCK.now_utc())
    outcome = job.wait(120)
    assert outcome is not None
    assert outcome.result == {"recommendations": []}, outcome
    assert ben.get("/job", [PAGE], job=job.job_id).headers["location"] == "/advice?site=plant"
    for each, is_asked in ((ben, True), (seen_by(ben, Role.VIEWER), False)):
        shown = html.unescape(each.get("/advice", [PAGE], site="plant").text)
        assert re.search("Readings of 4–.*2025 were examined: nothing to recommend was found.", shown), shown
        assert ("No recommendation is known yet" in shown, "/advice/run" in shown) == (False, is_asked)
    german = html.unescape(ben.get("/advice", [PAGE], site="plant", locale="de").text)
    assert "Es gibt nichts zu empfehlen." in german
    unread = work_of(ben.project).ask(
        (*words[:3], "--period=2019", *words[4:]), person_id="ben", now_utc=CLOCK.now_utc()
    )
    assert "has no readings" in getattr(unread.wait(120), "message", "")


def test_the_forecast_that_was_issued_stands_on_the_page(ben: Asking) -> None:
    where, job = begun(ben, "/forecast")
    outcome = job.wait(400)
    assert outcome is not None
    assert outcome.exit_code == 0, outcome.message
    assert ben.get(where, [PAGE]).headers["location"] == "/forecast?site=plant"
    latest = ben.project.forecasts.latest("plant", "meter:main")
    assert latest is not None
    issued = moment(latest.issued_at_utc.astimezone(ZoneInfo(plant.ZONE)), "en")
    shown = html.unescape(ben.get("/forecast", [PAGE], site="plant").text)
    assert (f"issued {issued}" in shown, "/forecast/run" in shown) == (True, False)


def test_a_plan_that_cannot_be_made_says_what_it_lacks_and_leads_to_where_that_is_made(ben: Asking) -> None:
    where, job = begun(ben, "/devices")
    assert job.words == ("plan", "--site=plant")
    assert job.wait(120) is not None
    told = html.unescape(ben.get(where, [PAGE]).text).partition("<main")[2]
    assert ben.get(where, [PAGE]).status == 422, told
    for href, text in (("/devices?site=plant", "Back to Plan and devices"), ("/forecast?site=plant", "Forecasts")):
        assert f'href="{href}">{text}' in told, told
    assert ben.project.plans.latest("plant", None) is None


def test_a_plan_is_made_by_the_button_nothing_is_sent_and_one_that_is_over_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    for name, text in (("meterloom", "{}"), ("people", PEOPLE)):
        (tmp_path / f"{name}.yaml").write_text(text)
    write(tmp_path, home(tariffs=[TARIFF | {"valid_to": "2100-01-01"}]))
    project, now_utc = OpenProject(str(tmp_path)), SystemClock().now_utc()
    today_utc = now_utc.replace(hour=0, minute=0, second=0, microsecond=0)
    for target, course in (("house", USED_KWH), ("pv", SUN_KWH)):
        made = by_hour(target, course)
        rows = tuple(each.model_copy(update={"time_utc": each.time_utc - DAY + today_utc}) for each in made.rows)
        stored = made.model_copy(update={"rows": rows, "issued_at_utc": today_utc})
        project.forecasts.add(stored, FixedClock(today_utc))
    otto = Asking(project, FixedClock(now_utc), person("Ben", Role.OPERATOR))
    answer = posted(otto, "/devices/run?site=home", form={})
    where = answer.headers["location"]
    outcome = work_of(project).job(where.partition("job=")[2], "ben").wait(200)
    assert outcome is not None
    assert outcome.exit_code == 0, outcome.message
    opened = otto.get(where, [PAGE])
    assert (opened.status, opened.headers["location"]) == (303, "/devices?site=home")
    shown = otto.get("/devices", [PAGE], site="home").text
    assert ("Why this plan" in shown, "/devices/run" in shown) == (True, False)
    assert read_commands(project.store, "home") == []
    later = Asking(project, FixedClock(now_utc + timedelta(days=3)), otto.person)
    over = later.get("/devices", [PAGE], site="home").text
    assert ("This plan is over." in over, "/devices/run?site=home" in over) == (True, True)
    project.close()


def test_a_baseline_is_fitted_by_the_button_and_the_page_of_the_use_leads_to_its_review(ben: Asking) -> None:
    form = html.unescape(ben.get("/enpi/plant/cooling", [PAGE]).text).partition('id="form-run"')[2]
    # There are three months of readings and so no whole year.
    assert re.search(r'name="train"[^>]*value=""', form)
    where, job = begun(ben, "/enpi", seu="cooling", train="2025-Q1")
    assert " ".join(job.words) == "baseline fit --site=plant --seu=cooling --train=2025-01-01/2025-04-01 --as ben"
    outcome = job.wait(400)
    assert outcome is not None
    assert outcome.exit_code == 0, outcome
    opened = ben.get(where, [PAGE])
    assert (opened.status, opened.headers["location"]) == (303, "/enpi/plant/cooling")
    shown = html.unescape(ben.get("/enpi/plant/cooling", [PAGE]).text)
    assert ("Review baseline v1" in shown, "/enpi/run" in shown) == (True, False)
    [version] = [each for each in ben.project.baselines.versions("plant") if each.baseline.seu_id == "cooling"]
    assert (version.fitted_by, version.status.value) == ("ben", "provisional")


def test_too_few_days_are_told_as_such_and_the_site_file_keeps_no_period_without_readings(ben: Asking) -> None:
    before = (ben.project.project.sites_dir / "plant.yaml").read_text()
    for seu, train, status, says in (
        ("cooling", "2024", 400, "Musterwerk Süd has readings from 1 January 2025 to 31 March 2025"),
        ("cooling", "soon", 400, "cannot read period 'soon'"), ("none", "2025-Q1", 404, "none"), ("", "", 404, ""),
    ):  # fmt: skip
        form = {"seu": seu, "train": train}
        refused = posted(ben, "/enpi/run?site=plant", form=form, accept="text/html")
        assert (refused.status, says in html.unescape(refused.text)) == (status, True), refused.text
    assert work_of(ben.project).newest(("baseline", "fit")) is None
    assert (ben.project.project.sites_dir / "plant.yaml").read_text() == before
    where, job = begun(ben, "/enpi", seu="cooling", train="2025-01-01/2025-01-03")
    assert job.wait(400) is not None
    told = ben.get(where, [PAGE])
    shown = html.unescape(told.text)
    assert (told.status, 'href="/enpi/plant/cooling">Back to Performance' in shown) == (422, True), shown
    assert "2 usable days do not determine 2 coefficients." in shown
    # The command wrote the period into the site file: from now on that is the one.
    shown = html.unescape(ben.get("/enpi/plant/cooling", [PAGE]).text).partition('id="form-run"')[2]
    assert "The site file names its training period: 1–" in shown
    assert 'name="train"' not in shown


def test_readings_that_nothing_is_calculated_of_are_calculated_by_the_button(ben: Asking) -> None:
    where, job = begun(ben, "/energy")
    assert job.words == ("kpis", "--period=2025-03", "--site=plant")
    outcome = job.wait(400)
    assert outcome is not None
    assert outcome.exit_code == 0, outcome.message
    assert ben.get(where, [PAGE]).headers["location"] == "/energy?site=plant"
    shown = html.unescape(ben.get("/energy", [PAGE], site="plant", period="2025-01").text)
    assert ("/energy/run" in shown, "nothing is calculated" in shown, "kWh" in shown) == (False, False, True)


def test_a_job_of_which_nothing_came_says_why_and_leads_back(ben: Asking) -> None:
    # Who asked was taken out of the people file before the job began.
    (ben.project.project.root / "people.yaml").write_text(PEOPLE.replace("person_id: ben", "person_id: otto"))
    where, job = begun(ben, "/advice")
    assert job.wait(120) is not None
    assert job.state == "failed"
    told = ben.get(where, [PAGE])
    assert (told.status, 'href="/advice?site=plant"' in told.text) == (422, True)
    assert "ben" in html.unescape(told.text).partition("<main")[2], told.text


def test_without_readings_no_job_begins_and_the_act_is_to_send_files(tmp_path: Path) -> None:
    for ben in opened(tmp_path / "plant", has_readings=False):
        for page in ("/forecast", "/advice", "/enpi", "/energy"):
            place = SHOWN.get(page, page)
            assert f"{page}/run" not in ben.get(place, [PAGE], site="plant").text
            if page in ("/forecast", "/advice"):
                assert "Upload files" in ben.get(page, [PAGE], site="plant").text
            refused = posted(ben, f"{page}/run?site=plant", form={}, accept="text/html")
            told = html.unescape(refused.text)
            assert (refused.status, "has no readings yet" in told) == (422, True), told
            assert f'href="{page}?site=plant"' in told
            german = posted(ben, f"{page}/run?site=plant&locale=de", form={}, accept="text/html").text
            assert "Musterwerk Süd hat noch keine Messwerte" in html.unescape(german)


def test_an_event_page_without_a_load_leads_to_the_site_file(ben: Asking) -> None:
    engineer = html.unescape(seen_by(ben, Role.ENGINEER).get("/demand-response", [PAGE], site="plant").text)
    assert 'href="/settings/sites/plant">Add sheddable load' in engineer
    assert "Upload files" not in engineer
