"""Boards as data (boards/NAME.yaml) and as pages: their tiles, and what stands below them."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.people import People
from data_quality.contracts.quick_yaml import read_model
from data_quality.contracts.yaml_file import load_yaml, place_of
from reports.pages.address import Address
from reports.pages.page import Cards, Page, PageBlock, Part, Widget
from reports.texts.locales import page_word

BOARDS = Path(__file__).with_name("boards")
COLUMNS = 12


class Board(Model):
    """A board as data. title: in English, whose words the languages have; question: what it answers to whom.

    tiles: keys, in reading order, and how many of twelve columns each takes; what is not set up at a site is left out.
    tall: those of two rows. place, icon, group, homes: of its place in the side bar, as of Nav. needs: the permission
    of who opens it. span: of the tiles where the address names none. is_of_part: tiles of the part that is chosen,
    compared with another span. is_of_all: of all sites where none is named. is_of_home: a place of homes alone.
    is_of_span: its title names the span. says_late: also that readings are late. below: what stands under the tiles.
    """

    title: str
    question: str
    tiles: Mapping[str, Annotated[int, Field(ge=3, le=12)]] = Field(min_length=1)
    tall: tuple[str, ...] = ()
    place: int = 5
    icon: str = "layout-dashboard"
    group: str = ""
    homes: tuple[str, ...] = ("ops",)
    needs: Permission = Permission.READ
    span: Literal["month", "year"] = "month"
    is_of_part: bool = False
    is_of_home: bool = False
    is_of_all: bool = False
    is_of_span: bool = False
    says_late: bool = False
    below: Literal["", "proof"] = ""


@cache
def boards() -> Mapping[str, Board]:
    """The boards by the name of their file in boards, in the order of their places."""
    found = {path.stem: read_model(path, Board) for path in sorted(BOARDS.glob("*.yaml"))}
    return dict(sorted(found.items(), key=lambda each: each[1].place))


def expect_boards(people: People, path: Path) -> None:
    """Raises BadInput (unknown_board) for a home board that there is not. path: of the file that they are read from."""
    for at, person in enumerate(people.people):
        if person.home_board is not None and person.home_board not in boards():
            line, column = place_of(load_yaml(path), ("people", at, "home_board"))
            message = f"home_board of {person.person_id} is {person.home_board!r}, there are {', '.join(boards())}"
            mend = did_you_mean(person.home_board, list(boards()))
            raise BadInput(message, file=str(path), line=line, column=column, reason="unknown_board", mend=mend)


def placed(tiles: Mapping[str, int], tall: Collection[str] = ()) -> dict[str, tuple[int, bool]]:
    """The columns of tiles in rows of twelve, and whether each is two rows high; where one is missing the others of its
    row are wider.

    tall: those that are two rows high where something stands beside them in both.
    """
    found: dict[str, tuple[int, bool]] = {}
    rest, kept = list(tiles), 0
    while rest:
        row, room = list[str](), COLUMNS - kept
        while rest and tiles[rest[0]] <= room:
            room -= tiles[rest[0]]
            row.append(rest.pop(0))
        high = [key for key in row if key in tall and not kept]
        kept = sum(tiles[key] for key in high)
        if not (high and len(high) < len(row) and rest and tiles[rest[0]] <= COLUMNS - kept):
            high, kept = [], 0
        wide = [key for key in row if key not in high]
        found |= {key: (tiles[key], True) for key in high}
        found |= {key: (tiles[key] + (room + at) // len(wide), False) for at, key in enumerate(reversed(wide))}
    return {key: found[key] for key in tiles}


def board_page(
    board: str,
    address: Address,
    widgets: Sequence[Widget],
    *,
    of: str = "",
    age: str = "",
    made: str = "",
    pickers: Sequence[PageBlock] = (),
    below: Sequence[Part] = (),
    findings: Sequence[Finding] = (),
    whys: Mapping[str, str] | None = None,
) -> Page:
    """The page. of: the part and period that it is of, in words. below: what stands under the tiles."""
    blocks: tuple[PageBlock, ...] = (*pickers, Cards(widgets=tuple(widgets)))
    return Page(
        title=page_word(boards()[board].title, address.locale) + of, address=address,
        parts=(Part(key="tiles", blocks=blocks), *below), age=age, made=made,
        findings=tuple(findings),
        whys=dict(whys or {}),
        sparks={key: svg for each in widgets for key, svg in each.sparks.items()},
        chips={each.table.key: each.chips for each in widgets if each.table is not None and each.chips is not None},
        is_synthetic=any(each.is_synthetic for each in widgets),
    )  # fmt: skip
