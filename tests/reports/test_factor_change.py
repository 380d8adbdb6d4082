"""One factor changes: every datum of every pack that moves is named, of a site and of groups, and no other."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest

from assets.stores.ledgers.factor_ledger import FactorStore
from data_quality.contracts.factor import Factor, FactorSet
from data_quality.contracts.reporting.disclosure import Datum
from reports.content.templates import load_template, packs_of
from reports.figures.trace import stale_revisions
from reports.lifecycle.changes import data_between, data_moved, data_of, what_changed
from reports.lifecycle.revise import store_revision
from tests.reports import year_world
from tests.reports.group_world import TwoSites, make_two_sites

# A group all year is in this one too: until its sale.
PACKS, SUBJECTS = sorted(packs_of()), ("plant", "sale")
# Recorded for the plant alone, and for the second half of the year.
GAS = Factor(
    factor_id="gas-new", scope=1, activity="natural_gas", unit="kWh", kg_co2e_per_unit=Decimal("0.25"),
    valid_from=date(2025, 7, 1), valid_to=date(2026, 1, 1),
)  # fmt: skip
NUMBERS = ("figure", "table")


class Moved(NamedTuple):
    """A pack before and after, what a comparison with today names, and what one of two revisions names."""

    before: tuple[Datum, ...]
    after: tuple[Datum, ...]
    named: set[tuple[str, str]]
    between: set[tuple[str, str]]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Moved]]:
    two = make_two_sites(tmp_path_factory.mktemp("moved"))
    reports, clock = two.year.world.reports, two.year.world.clock
    first = {key: stored(two, *key) for key in ((subject, name) for subject in SUBJECTS for name in PACKS)}
    clock.advance(timedelta(minutes=5))
    FactorStore(reports.store).add(
        FactorSet(path="f.csv", sha256="0" * 64, factors=(GAS,)), clock=clock, tenant="plant"
    )
    clock.advance(timedelta(minutes=5))
    today = two.sources()
    stale = stale_revisions(reports, today)
    found = {}
    for key, report_id in first.items():
        figures, now = reports.figures(report_id, 1), reports.store.known_at(clock)
        changed = what_changed(figures, stale[report_id, 1], sources=today, as_of_utc=now)
        before = data_of(reports.get(report_id, 1))
        stored(two, *key)
        after = data_of(reports.revisions(name=key[1])[-1]) if (report_id, 2) in reports.stored_keys() else before
        found[key] = Moved(
            tuple(before), tuple(after),
            {(each.id, each.item) for each in data_moved(before, changed)},
            {(each.id, each.item) for each in data_between(before, after)},
        )  # fmt: skip
    yield found
    year_world.close(two.year)


def stored(two: TwoSites, subject: str, name: str) -> str:
    """Stores the pack as it is known now. Returns its report's id."""
    sources, template = two.sources(), load_template(name)
    content, _ = store_revision(
        lambda revision: two.content(template, subject, sources=sources, revision=revision),
        two.year.world.reports, two.year.world.clock,
    )  # fmt: skip
    return content.report_id


def differing(moved: Moved, kinds: tuple[str, ...]) -> set[tuple[str, str]]:
    """Data that say something else, looked at one by one."""
    before = {(each.key, each.item): each.value for each in moved.before if each.kind in kinds}
    after = {(each.key, each.item): each.value for each in moved.after if each.kind in kinds}
    return {key for key in before | after if before.get(key) != after.get(key)}


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("name", PACKS)
def test_each_datum_that_moves_is_named_and_no_other(
    moved: dict[tuple[str, str], Moved], subject: str, name: str
) -> None:
    mine = moved[subject, name]
    assert mine.named == differing(mine, NUMBERS)
    assert mine.between == differing(mine, (*NUMBERS, "text", "choice"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_factor_of_gas_moves_direct_emissions_and_words_about_factors_and_leaves_the_rest(
    moved: dict[tuple[str, str], Moved], subject: str
) -> None:
    mine = moved[subject, "gri_2016"]
    assert ("305-1-a/metered", "") in mine.named
    assert ("305-1-e", "") in mine.between - mine.named
    assert not {each for each, _ in mine.named if each.startswith(("302", "305-2"))}
