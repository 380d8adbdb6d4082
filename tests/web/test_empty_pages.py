"""Pages of a project without readings: each leads to an act that whoever looks may do."""

import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.starter.project_files import make_project
from tests.web.asking import PAGE
from tests.web.marts_world import Asking

PAGES = (
    "/board/home", "/board/ops", "/board/site", "/board/exec", "/energy", "/bills", "/advice", "/demand-response",
    "/forecast", "/live", "/reports", "/devices",
)  # fmt: skip
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ENGINEER, Role.ANALYST, Role.AUDITOR)


def acts(text: str) -> list[tuple[str, str]]:
    """Buttons of the title line: text, address."""
    found = re.findall(r'<a class="btn[^"]*" href="([^"]*)">([^<]*)</a>', text)
    return [(unescape(word), unescape(href)) for href, word in found]


@pytest.mark.parametrize("role", ROLES, ids=[each.value for each in ROLES])
def test_each_page_that_shows_nothing_yet_leads_to_an_act_of_this_person(role: Role, tmp_path: Path) -> None:
    make_project(tmp_path / "plant")
    project = OpenProject(str(tmp_path / "plant"))
    person = Person(person_id="anna", name="Anna", roles=(role,))
    asking = Asking(project, FixedClock(datetime(2026, 11, 29, 12, tzinfo=UTC)), person)
    led: dict[str, str] = {}
    for path in PAGES:
        answer = asking.get(path, [PAGE])
        if answer.status == 403:
            continue
        assert answer.status == 200, (path, answer.text)
        word, href = next(each for each in acts(answer.text) if urlsplit(each[1]).path != path)
        led[path] = word
        assert asking.get(href.partition("#")[0], [PAGE]).status == 200, (path, href)
    project.close()
    sends = "Upload files" if role is Role.ENGINEER else "Data"
    assert {led[each] for each in ("/energy", "/forecast", "/board/ops", "/demand-response")} == {sends}
    assert led["/live"] == ("Add source" if role is Role.ENGINEER else "Data")
    assert led.get("/devices", "") == {Role.ENGINEER: "Add device", Role.VIEWER: "", Role.ANALYST: ""}.get(role, "Data")
    assert (led["/reports"], led["/bills"]) == (
        ("New report", "Upload bill") if role is Role.ANALYST else (sends, sends)
    )
