"""All packs of a site, of a group by equity share and of one with a sale: the same joules and grams, all of traces."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from assets.carbon.inventory.consolidate import Accounted, group_footprint
from assets.carbon.inventory.energies import site_energies, without_deliveries
from assets.carbon.inventory.site_footprint import site_footprint
from assets.kpi.from_readings import Definitions, KpiQuery
from assets.sites.organisation import parts_of
from assets.sites.view import site_readings
from assets.stores.warehouse.scratch import rows_of
from data_quality.contracts.emissions.group_footprint import GroupFootprint
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disclosure import Datum
from data_quality.contracts.reporting.figure import Figure, KpiDefinition
from reports.content.templates import load_template, packs_of
from reports.datasets.dataset_registry import MEASURES
from reports.recompute import recomputed_kpis
from reports.recompute.figure import prefetch, recompute
from reports.recompute.figure_sources import Sources
from reports.recompute.recomputed_kpis import KpiBasis, kpi_row, prefetch_kpis
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS
from tests.reports import year_world
from tests.reports.group_world import BOUGHT, GROUPS, SOLD, YEAR, TwoSites, make_two_sites

PACKS, SUBJECTS = sorted(packs_of()), ("plant", *GROUPS)
# What one unit of a figure is in kWh, kg or itself.
BASE = {"gj": ("kwh", Fraction(2500, 9)), "mwh": ("kwh", Fraction(1000)), "tco2e": ("kgco2e", Fraction(1000))}
MEASURED = {name for dataset in ("footprint", "site") for name in MEASURES[dataset]}
START, END = date(2025, 1, 1), date(2026, 1, 1)
SHARE, MID = Decimal("0.7"), date(2025, 7, 1)
GRAM = Decimal("0.001")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    made = make_two_sites(tmp_path_factory.mktemp("two"))
    yield made
    year_world.close(made.year)


@pytest.fixture(scope="module")
def contents(two: TwoSites) -> dict[tuple[str, str], ReportContent]:
    """Every pack of every subject, each made of sources of its own kind."""
    found: dict[tuple[str, str], ReportContent] = {}
    for subject in SUBJECTS:
        sources = two.sources()
        found |= {(subject, name): two.content(load_template(name), subject, sources=sources) for name in PACKS}
    return found


@pytest.fixture(scope="module")
def afresh(two: TwoSites) -> Sources:
    """Other sources than those that the packs were made of: nothing of them is kept here."""
    return two.sources()


def figure_data(content: ReportContent) -> list[tuple[Datum, Figure]]:
    """Data that are figures, each with its figure."""
    by_id = {each.figure_id: each for each in content.figures}
    return [(each, by_id[each.figure_id]) for each in content.data if each.source == "figure"]


def in_base(figure: Figure) -> tuple[str, Fraction]:
    """Exact: units of energy and mass are fractions of each other."""
    unit, factor = BASE.get(figure.unit, (figure.unit, Fraction(1)))
    assert figure.value is not None
    return unit, Fraction(figure.value) * factor


def total(contents: dict[tuple[str, str], ReportContent], subject: str, kpi: str, scope: str = "") -> Decimal:
    """A number of the year that data of packs are made of, whichever of them has it: they agree."""
    about = f"carrier:{scope}" if scope else f"site:{GROUPS[subject].organisation if subject in GROUPS else subject}"
    data = [each for (whose, _), content in contents.items() if whose == subject for each in figure_data(content)]
    found = {in_base(each)[1] for _, each in data if each.path.startswith(f"footprint/{about}/2025/{kpi}")}
    [value] = found
    return Decimal(value.numerator) / value.denominator


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("name", PACKS)
def test_every_figure_of_a_pack_comes_again_from_its_trace_to_the_last_digit(
    afresh: Sources, contents: dict[tuple[str, str], ReportContent], subject: str, name: str
) -> None:
    content, kept = contents[subject, name], dict[str, Decimal | None]()
    by_id = {each.figure_id: each for each in content.figures}
    data = figure_data(content)
    assert data
    prefetch((figure for _, figure in data), sources=afresh, lookup=by_id.get)
    for datum, figure in data:
        again = recompute(figure, sources=afresh, lookup=by_id.get, kept=kept)
        assert str(again) == str(figure.value), datum.key
        assert datum.kind == "text" or datum.value == figure.value


@pytest.mark.parametrize("subject", SUBJECTS)
def test_frameworks_give_the_same_joules_and_grams_where_they_mean_the_same(
    contents: dict[tuple[str, str], ReportContent], subject: str
) -> None:
    said: dict[tuple[str, ...], dict[str, Fraction]] = defaultdict(dict)
    for (about, name), content in contents.items():
        for datum, figure in figure_data(content) if about == subject else []:
            # Made of several, such as an intensity, is a question of its own.
            if datum.kind != "text" and figure.kpi in MEASURED:
                unit, value = in_base(figure)
                said[figure.kpi, figure.scope, str(figure.start), str(figure.end), unit][f"{name} {datum.key}"] = value
    for asked, values in said.items():
        assert len(set(values.values())) == 1, (asked, values)
    frameworks = {asked[0]: {each.split()[0] for each in values} for asked, values in said.items() if len(values) > 1}
    many = {"scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e", "consumed_kwh"}
    assert {kpi for kpi, names in frameworks.items() if len(names) >= 4} >= many


def test_an_equity_share_group_is_share_times_site_to_the_gram(
    two: TwoSites, contents: dict[tuple[str, str], ReportContent]
) -> None:
    gas = two.read_kwh("gas", START, MID) * Decimal("0.2") + two.read_kwh("gas", MID, END) * Decimal("0.21")
    assert abs(total(contents, "equity", "scope1_kgco2e") - SHARE * gas) < GRAM
    bought = SHARE * two.read_kwh("main", START, END) + two.read_kwh("t_main", START, END)
    heat = two.read_kwh("t_heat", START, END)
    assert total(contents, "equity", "energy_kwh", "electricity") == bought
    wanted = bought * Decimal("0.363") + heat * Decimal("0.18")
    assert abs(total(contents, "equity", "scope2_location_kgco2e") - wanted) < GRAM


def test_a_sale_in_mid_year_ends_a_site_s_part_and_own_heat_is_left_out_to_the_gram(
    two: TwoSites, contents: dict[tuple[str, str], ReportContent]
) -> None:
    gas = two.read_kwh("gas", START, MID) * Decimal("0.2") + two.read_kwh("gas", MID, SOLD) * Decimal("0.21")
    assert abs(total(contents, "sale", "scope1_kgco2e") - SHARE * gas) < GRAM
    bought = SHARE * two.read_kwh("main", START, SOLD) + two.read_kwh("t_main", BOUGHT, END)
    assert total(contents, "sale", "energy_kwh", "electricity") == bought
    # While both were of the group, the plant's part of what it delivered was bought by nobody.
    heat = two.read_kwh("t_heat", BOUGHT, END) - SHARE * two.read_kwh("from_plant", BOUGHT, SOLD)
    assert total(contents, "sale", "energy_kwh", "heat") == heat
    wanted = bought * Decimal("0.363") + heat * Decimal("0.18")
    assert abs(total(contents, "sale", "scope2_location_kgco2e") - wanted) < GRAM


@pytest.mark.parametrize("group", list(GROUPS))
def test_the_footprint_of_a_group_is_that_of_its_reports(
    two: TwoSites, contents: dict[tuple[str, str], ReportContent], group: str
) -> None:
    found = footprint_of_group(two, group)
    for name in ("scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e"):
        assert total(contents, group, name) == getattr(found, name), name
    for row in found.rows:
        if row.method in {"location", "direct"}:
            assert total(contents, group, "energy_kwh", row.carrier) == row.kwh


def footprint_of_group(two: TwoSites, group: str) -> GroupFootprint:
    """As `carbon group` makes it."""
    accounts, sources = [], two.sources()
    for part in parts_of(GROUPS[group], YEAR):
        site = two.sites[part.site_id]
        span = part.period.model_copy(update={"time_zone": site.time_zone})
        rows = site_readings(two.year.world.lake, site, start_utc=span.start_utc, end_utc=span.end_utc)
        energies, left_kwh = without_deliveries(
            site_energies(rows, site=site, period=span), rows, site=site, left_out=part.left_out
        )
        view = sources.factors(site, None)
        accounts.append(Accounted(part, site_footprint(site, energies, view, period=span, as_of_utc=None), left_kwh))
    return group_footprint(GROUPS[group], YEAR, accounts)


def counted(two: TwoSites) -> tuple[Sources, list[set[str]]]:
    """Fresh sources, and the sites of each run of their SQL."""
    runs = list[set[str]]()

    def run(definition: KpiDefinition, tables: Mapping[str, pl.DataFrame], wanted: Collection[str]) -> Any:
        runs.append({*tables["sites"]["site_id"]})
        return rows_of(definition, tables, wanted)

    sources = two.sources()
    sources.definitions = Definitions(DEFINITIONS.current, run=run)
    return sources, runs


@pytest.mark.parametrize("name", ["cdp_2023", "esrs_e1"])
def test_one_run_of_the_sql_answers_for_all_sites_and_gives_what_a_run_for_each_would(
    two: TwoSites, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sources, runs = counted(two)
    together = two.content(load_template(name), "sale", sources=sources)
    assert runs == [{"plant", "tower"}]
    monkeypatch.setattr(recomputed_kpis, "_TOGETHER", 0)
    sources, runs = counted(two)
    assert two.content(load_template(name), "sale", sources=sources) == together
    assert len(runs) > 1
    assert all(len(sites) == 1 for sites in runs)


def test_a_site_is_answered_whatever_is_wrong_with_another(two: TwoSites) -> None:
    sources, runs = counted(two)
    plant, tower = (KpiBasis(name, two.year.world.reports.store.known_at(two.year.world.clock)) for name in two.sites)
    bad = KpiQuery("kwh_per_smile", "site:tower", START, END)
    prefetch_kpis(sources, tower, [bad])
    assert kpi_row(sources, plant, KpiQuery("consumption_kwh", "site:plant", START, END)) is not None
    assert runs == [{"plant"}]
    with pytest.raises(BadInput, match="kwh_per_smile"):
        kpi_row(sources, tower, bad)
