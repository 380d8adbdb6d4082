"""A project of the plant with three bills: one that is not checked, one that matches, one too high."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.bills.stored import audit_bills, bills_of
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from tests.reports import plant
from tests.reports.conftest import World
from tests.reports.year_world import Year, add_bill
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.why_world import ANNE, LATER

PEOPLE = "people: [{person_id: anne, name: Anne, roles: [analyst, engineer]}]\n"


@pytest.fixture
def billed(tmp_path: Path) -> Iterator[Asking]:
    """The application as an analyst sees it, who may write."""
    project = make_project(tmp_path / "project", plant_of_the_web())
    (tmp_path / "project" / "people.yaml").write_text(PEOPLE)
    add_bills(project)
    yield Asking(project, FixedClock(LATER), ANNE)
    project.close()


def add_bills(project: OpenProject) -> dict[str, str]:
    """Bills of January (not checked), February (right) and March (100.00 too high); their ids by month."""
    site, clock = project.site("plant"), FixedClock(plant.NOON)
    world = World(site, project.lake, project.baselines, project.reports, clock, {}, plant.NOON)
    year, extra = Year(world=world, site=site), {"2025-03": Decimal(100)}
    ids = {month: add_bill(year, month, extra=extra.get(month, Decimal(0))) for month in ("2025-02", "2025-03")}
    books = BillStore(project.project.data_dir / "bills", project.store)
    audit_bills(bills_of(books, site), books, project.lake, site, clock=clock)
    return {**ids, "2025-01": add_bill(year, "2025-01")}


def command(asking: Asking, *words: str) -> str:
    """Output of a command of bills."""
    told = CliRunner().invoke(build_app(("bill",)), [*words, "--project", str(asking.project.project.root)])
    return str(told.stdout)
