"""The frame around a page: whose places, which site, which look; and rows of a board that are always full."""

import re
from dataclasses import replace
from itertools import combinations

import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import NAV
from orchestration.web.draw import html_of
from orchestration.web.frame import Frame, frame_of
from orchestration.web.request_context import MORE, Context
from reports.pages.address import Address
from reports.pages.board import COLUMNS, boards, placed
from reports.pages.page import Page
from tests.html_seen import Seen
from tests.web.served import NOW

SEEN = ["Operations", "Results", "Energy", "Performance", "Cost and bills", "Data", "Reports"]
SELDOM = ["Forecast", "Demand response", "Recommendations", "Findings", "Tasks", "Connections", "Disclosure"]
PLACES = {
    (Role.OPERATOR,): [*SEEN[:5], "Plan and devices", *SEEN[5:], *SELDOM],
    (Role.ANALYST, Role.REVIEWER): [*SEEN, "Audit trail", *SELDOM],
    (Role.VIEWER,): ["Results", "Reports", "Disclosure"],
    (Role.AUDITOR,): ["Audit trail", "Performance", "Data", "Reports", "Findings", "Connections", "Disclosure"],
    (Role.TENANT,): ["My area", "Energy"],
    (Role.ADMIN,): ["People", "Settings"],
}


def ask_of(*roles: Role, path: str = "/energy", looks: dict[str, str] | None = None, **more) -> Context:
    person = Person(person_id="anna", name="Anna <b>Approver", roles=roles, tenants=("law",), **more)
    return Context(OpenProject("."), person, Address(path=path), FixedClock(NOW), csrf="t", nav=NAV, looks=looks or {})


def frame(*roles: Role, path: str = "/energy", **more) -> Frame:
    ctx = ask_of(*roles, path=path, **more)
    return frame_of(ctx, ctx.address)


@pytest.mark.parametrize("roles", PLACES, ids=str)
def test_a_person_has_the_places_of_their_roles_their_own_board_first(roles: tuple[Role, ...]) -> None:
    assert [each.text for each in frame(*roles).places] == PLACES[roles]


def test_places_that_are_of_no_site_take_none_along() -> None:
    ctx = ask_of(Role.ADMIN)
    places = frame_of(ctx, Address(path="/energy", site="plant", scope="site:plant")).places
    assert [each.href for each in places] == ["/people", "/settings"]


def test_headings_part_the_places_where_there_are_many_and_those_seldom_opened_are_folded() -> None:
    groups = [each.group for each in frame(Role.OPERATOR).places]
    assert groups == ["", "", *["Analyse"] * 4, *["Assure"] * 2, *[MORE] * len(SELDOM)]
    assert [each.group for each in frame(Role.AUDITOR).places] == [*[""] * 4, *[MORE] * 3]
    assert {each.group for each in frame(Role.VIEWER).places} == {""}
    assert frame(Role.OPERATOR, home_board="exec").places[0].text == "Results"


@pytest.mark.parametrize(("path", "is_open"), [("/energy", False), ("/forecast", True)])
def test_the_fold_is_open_where_one_is_in_it(path: str, is_open: bool) -> None:
    html = html_of(ask_of(Role.OPERATOR, path=path), Page(title="x", address=Address(path=path), parts=()))
    assert Seen(html).faults() == []
    assert ('<details open><summary class="grp">' in html) == is_open
    assert html.count('<summary class="grp">') == 1


@pytest.mark.parametrize(("path", "here"), [("/enpi/works/air", "Performance"), ("/board/ops", "Operations")])
def test_the_place_where_one_is_is_marked(path: str, here: str) -> None:
    assert [each.text for each in frame(Role.OPERATOR, path=path).places if each.is_here] == [here]
    assert [each for each in frame(Role.OPERATOR, path="/why").places if each.is_here] == []


def test_looks_say_which_is_chosen_and_each_is_a_button_of_its_own() -> None:
    ctx = ask_of(Role.OPERATOR, looks={"theme": "dark", "text": "", "locale": ""})
    html = html_of(ctx, Page(title="x", address=Address(path="/energy", locale="ar"), parts=()))
    assert Seen(html).faults() == []
    pressed = re.findall(r'name="(\w+)" value="(\w*)" aria-pressed="true"', html)
    # Once in the side bar and once under the menu of a phone.
    assert sorted(set(pressed)) == [("locale", "ar"), ("text", ""), ("theme", "dark")]
    assert len(pressed) == 6
    assert "Anna &lt;b&gt;Approver" in html


def test_one_page_is_one_place_whatever_it_is_called() -> None:
    ctx = ask_of(Role.OPERATOR)
    home = ctx.person.model_copy(update={"home_board": "home"})
    both = frame_of(replace(ctx, person=home), Address(path="/bills"))
    paths = [each.href.partition("?")[0] for each in both.places]
    assert "/bills" in paths
    assert len(paths) == len({*paths})


def test_rows_of_a_board_are_full_whatever_is_left_out() -> None:
    for name, board in boards().items():
        for gone in ((), *((each,) for each in board.tiles), *combinations(board.tiles, 2)):
            left = {key: span for key, span in board.tiles.items() if key not in gone}
            places = placed(left, board.tall)
            assert list(places) == list(left)
            at, kept, below = 0, 0, 0
            for span, is_tall in places.values():
                assert at + span <= COLUMNS, (name, gone)
                at += span
                below += span if is_tall else 0
                if at == COLUMNS:
                    at, kept, below = below, below, 0
            assert at == kept == 0, (name, gone, places)
    assert placed({"a": 3, "b": 3, "c": 3}) == {"a": (4, False), "b": (4, False), "c": (4, False)}
    assert placed({"a": 6, "b": 6, "c": 3}, ["a"]) == {"a": (6, True), "b": (6, False), "c": (6, False)}
