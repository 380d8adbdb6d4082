"""A board as a page: its tiles in the order of boards.yaml, whose home it is, and what stands below the tiles."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.people import Board, Person, Role
from data_quality.contracts.yaml_file import load_model
from reports.pages.address import Address
from reports.pages.page import Cards, Page, PageBlock, Part, Widget
from reports.texts.locales import page_word

TITLES: Mapping[Board, str] = {
    "ops": "Operations", "site": "My part of the site", "exec": "Results", "audit": "Proof",
}  # fmt: skip


class Orders(Model):
    """Keys of tiles by board, in reading order."""

    ops: tuple[str, ...]
    site: tuple[str, ...]
    exec: tuple[str, ...]
    audit: tuple[str, ...]

    def of(self, board: Board) -> tuple[str, ...]:
        """The board's."""
        found: tuple[str, ...] = getattr(self, board)
        return found


@cache
def orders() -> Orders:
    """The orders of boards.yaml."""
    return load_model(Path(__file__).with_name("boards.yaml"), Orders)


def home_board(person: Person) -> Board:
    """The board that opens first: the person's own, else the first that a role of theirs stands for."""
    if person.home_board is not None:
        return person.home_board
    roles = set(person.roles)
    if Role.TENANT in roles:
        return "site"
    if roles & {Role.AUDITOR, Role.REVIEWER}:
        return "audit"
    return "exec" if roles & {Role.VIEWER, Role.PUBLISHER} else "ops"


def board_page(
    board: Board,
    address: Address,
    widgets: Sequence[Widget],
    *,
    of: str,
    age: str = "",
    pickers: Sequence[PageBlock] = (),
    below: Sequence[Part] = (),
    links: Sequence[tuple[str, str]] = (),
    findings: Sequence[Finding] = (),
    whys: Mapping[str, str] | None = None,
) -> Page:
    """The page. of: the site, or the sites, in words. below: what stands under the tiles."""
    blocks: tuple[PageBlock, ...] = (*pickers, Cards(widgets=tuple(widgets)))
    return Page(
        title=f"{page_word(TITLES[board], address.locale)}: {of}", address=address,
        parts=(Part(key="tiles", blocks=blocks), *below), age=age,
        findings=tuple(findings), links=tuple(links), whys=dict(whys or {}),
        is_synthetic=any(each.is_synthetic for each in widgets),
    )  # fmt: skip
