"""Bands of bills that are recomputed, held against bills reckoned by hand with each meter's error drawn anew."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.bills.engine.compute import make_bill
from assets.bills.stored import load_of_meters, meters_of_bill
from assets.sites.virtual import with_virtual
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import BilledLine, BilledRegister, Place, SupplierBill
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.reporting.figure import Band
from data_quality.contracts.site_file.accuracy import limit_of
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from reports.figures.bill_figures import AuditedBill, BillFigures, BillNumbers
from reports.recompute.bands import band_data, figure_band
from reports.recompute.bill import reconciled
from tests.reports.conftest import MakeWorld, World
from tests.reports.test_bands import classed, confirm
from tests.reports.test_peak_bands import FEBRUARY, MAINS, matrix, shaped, without_main
from tests.reports.year_world import add_bill, make_year

DRAWS = 4_000
FIRST, BEYOND, PER_KW, FIXED, TAX = 0.30, 0.12, 9.0, 150.0, 0.19


def tariff(up_to_kwh: int) -> Tariff:
    """Two blocks of energy, a demand price, a fixed amount, and a tax on all of it."""
    tiers = [{"price": FIRST, "up_to": up_to_kwh}, {"price": BEYOND}]
    return Tariff.model_validate({
        "tariff_id": "blocks", "valid_from": "2024-01-01", "valid_to": "2026-01-01",
        "energy": [{"charge_id": "energy", "tier_basis": "total", "periods": [{"period_id": "all", "tiers": tiers}]}],
        "demand": [{"charge_id": "demand", "periods": [{"period_id": "max", "price_per_kw": PER_KW}]}],
        "fixed": [{"charge_id": "standing", "amount": FIXED}],
        "taxes": [{"charge_id": "vat", "share": TAX}],
    })  # fmt: skip


def by_hand(kwh: np.ndarray, up_to_kwh: int) -> dict[str, np.ndarray]:
    """Money of the lines and of the whole. kwh: [draw, quarter hour]."""
    total, peak = kwh.sum(axis=1), 4 * kwh.max(axis=1)
    lines = {
        "first": FIRST * np.minimum(total, up_to_kwh),
        "beyond": BEYOND * np.maximum(total - up_to_kwh, 0),
        "demand": PER_KW * peak,
        "fixed": np.full(total.shape, FIXED),
    }
    net = np.sum(list(lines.values()), axis=0)
    return lines | {"tax": TAX * net, "": net * (1 + TAX)}


def drawn(kwh: np.ndarray, names: list[str]) -> np.ndarray:
    """KWh of all meters together [draw, quarter hour], each meter off by the same share in all of a draw."""
    rng = np.random.default_rng(17)
    limits = [limit_of("electricity", MAINS[name]).percent / 100 for name in names]
    off = np.stack([rng.uniform(1 - limit, 1 + limit, DRAWS) for limit in limits])
    found: np.ndarray = off.T @ kwh
    return found


def stored(used: World, folder: Path, extra: Decimal = Decimal(0)) -> AuditedBill:
    """February's bill as the supplier makes it, `extra` on its first line."""
    site, (start, end) = used.site, FEBRUARY
    since, until = (local_midnight_utc(day, site.time_zone) for day in FEBRUARY)
    rows = with_virtual(site, used.lake.current("plant", start_utc=since, end_utc=until))
    path = folder / "february.csv"
    path.write_text("february")
    bill = SupplierBill(
        file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), invoice="INV-2", start=start, end=end,
        currency="EUR",
    )  # fmt: skip
    load = load_of_meters(
        rows.filter(pl.col("interval_start_utc").is_between(since, until, closed="left")), meters_of_bill(site, bill)
    )
    assert load is not None
    ours = make_bill(site.tariffs, load, time_zone=site.time_zone, start=start, end=end, currency="EUR").periods[0]
    lines = tuple(
        BilledLine(
            place=Place(line=at), label=each.description or each.line_id, quantity=each.quantity, unit=each.unit,
            rate=each.rate, amount=each.amount + (extra if at == 1 else 0),
        )
        for at, each in enumerate(ours.lines, start=1)
    )  # fmt: skip
    bill = bill.model_copy(update={"lines": lines, "total": ours.total + extra})
    books = BillStore(used.lake.root.parent / "bills", used.lake.store)
    bill_id = books.keep_bill(path, bill, site_id="plant", clock=used.clock)
    audit = reconciled(used.sources(site), site, bill_id, used.reports.store.known_at(used.clock))
    assert not isinstance(audit, Exception), audit
    return AuditedBill(bill_id=bill_id, bill=bill, state="matches", audit=audit)


class Asked:
    """Numbers of one bill with their bands."""

    def __init__(self, used: World, bill: AuditedBill) -> None:
        self.bill, self.sources = bill, used.sources(used.site)
        self.figures = BillFigures(used.site, [bill], as_of_utc=used.reports.store.known_at(used.clock))

    def numbers(self, line: str = "") -> BillNumbers:
        assert self.bill.audit is not None
        each = next((each for each in self.bill.audit.lines if each.id == line), None)
        found = self.figures.of(self.bill, each)
        assert found is not None
        return found

    def band(self, line: str = "", at: str = "expected") -> Band:
        by_id = {each.figure_id: each for each in self.figures.book.figures()}
        return figure_band(getattr(self.numbers(line), at), sources=self.sources, lookup=by_id.get)


def four_meters(up_to_kwh: int, classes: Mapping[str, str] = MAINS, **changes: object) -> Site:
    """A supply of four meters under the tariff."""
    return without_main(dict(classes), **{"tariffs": (tariff(up_to_kwh),), **changes})


def blocks(
    world: MakeWorld, part: float, classes: Mapping[str, str] = MAINS, **changes: object
) -> tuple[World, int, np.ndarray]:
    """A world whose first block holds a part of February's energy; its kWh; kWh [meter, quarter hour]."""
    used = world(site=four_meters(1), rows=shaped())
    kwh = matrix(used, FEBRUARY, list(MAINS))
    up_to = round(part * kwh.sum())
    used.site = four_meters(up_to, classes, **changes)
    return used, up_to, kwh


# Share of the month's energy in the first block -> least and largest rate of a band of 90 %. With its edge at the very
# energy that was read, each kWh more costs two fifths of a kWh less: no band that is as wide on both sides fits.
EDGES = {"beyond its block": (0.5, 0.87, 0.93), "at its edge": (1.0, 0.84, 0.90), "within it": (2.0, 0.87, 0.93)}


@pytest.mark.parametrize("case", EDGES)
def test_money_of_a_bill_has_a_band_that_bills_by_hand_confirm(world: MakeWorld, tmp_path: Path, case: str) -> None:
    part, least, most = EDGES[case]
    used, up_to, kwh = blocks(world, part)
    asked = Asked(used, stored(used, tmp_path))
    exact, draws = by_hand(kwh.sum(axis=0)[None, :], up_to), by_hand(drawn(kwh, list(MAINS)), up_to)
    assert float(asked.numbers().expected.value or 0) == pytest.approx(exact[""][0], abs=0.03)
    found = asked.band()
    assert found.half is not None
    rate = float(np.mean(np.abs(draws[""] - exact[""][0]) <= found.half))
    assert least <= rate <= most, (rate, found)
    assert found.half / 1.644854 == pytest.approx(float(np.std(draws[""])), rel=0.04)
    assert found.left_out == ()


def test_each_line_moves_by_its_own_rule(world: MakeWorld, tmp_path: Path) -> None:
    used, up_to, kwh = blocks(world, 0.5)
    asked = Asked(used, stored(used, tmp_path))
    exact, draws = by_hand(kwh.sum(axis=0)[None, :], up_to), by_hand(drawn(kwh, list(MAINS)), up_to)
    for line, name in {"energy.all.2": "beyond", "demand.max": "demand", "vat": "tax"}.items():
        confirm(asked.band(line), exact[name][0], draws[name])
    # A block that is full, and a fixed charge: whatever the meters counted.
    assert (asked.band("energy.all.1").half, asked.band("standing").half) == (None, None)
    # Of the demand the hvac's part is that of the peak, not of the month.
    at = int(kwh.sum(axis=0).argmax())
    parts = [(kwh[row, at] * limit_of("electricity", MAINS[name]).percent) ** 2 for row, name in enumerate(MAINS)]
    assert asked.band("demand.max").shares["meter:plant/hvac"] == pytest.approx(parts[2] / sum(parts), rel=1e-4)


def test_a_billed_amount_is_a_claim_and_its_difference_is_as_sure_as_ours(world: MakeWorld, tmp_path: Path) -> None:
    used, _, _ = blocks(world, 0.5)
    asked = Asked(used, stored(used, tmp_path, extra=Decimal(500)))
    billed, ours, delta = (asked.band(at=at) for at in ("billed", "expected", "difference"))
    assert (billed.half, [each.code for each in billed.left_out]) == (None, ["billed_as_claimed"])
    assert delta.half == pytest.approx(ours.half)
    assert [each.code for each in delta.left_out] == ["billed_as_claimed"]
    assert "supplier claims" in band_data(delta)["not_included"][0]["message"]
    assert delta.low is not None
    # Five hundred too much is more than four meters explain.
    assert delta.low > 0


def test_a_supply_that_is_reckoned_moves_by_the_meters_that_it_is_reckoned_of(world: MakeWorld, tmp_path: Path) -> None:
    inputs = tuple(Meter(meter_id=name, parent="all", accuracy_class=MAINS[name]) for name in MAINS)
    whole = Meter(meter_id="all", formula=" + ".join(MAINS))
    used, up_to, _ = blocks(world, 0.5, meters=(whole, *inputs))
    bill = stored(used, tmp_path)
    reckoned = Asked(used, bill).band()
    used.site = four_meters(up_to)
    assert reckoned.half == pytest.approx(Asked(used, bill).band().half, rel=1e-9)
    assert len(reckoned.shares) == 4


def test_a_meter_of_a_bill_without_a_class_is_told(world: MakeWorld, tmp_path: Path) -> None:
    used, _, _ = blocks(world, 0.5, classes={"hvac": "A"})
    found = Asked(used, stored(used, tmp_path)).band()
    assert list(found.shares) == ["meter:plant/hvac"]
    assert {(each.code, each.of) for each in found.left_out} == {
        ("meter_class_unknown", name) for name in MAINS if name != "hvac"
    }
    used.site = four_meters(1000, {})
    bare = Asked(used, stored(used, tmp_path)).band()
    assert (bare.half, len(bare.left_out)) == (None, 4)


def test_energy_of_a_bill_that_no_tariff_prices_is_as_sure_as_its_meters(world: MakeWorld, tmp_path: Path) -> None:
    used, up_to, kwh = blocks(world, 0.5)
    bill = stored(used, tmp_path)
    used.site = four_meters(up_to, tariffs=())
    asked = Asked(used, bill)
    found = asked.numbers().expected
    named = {**found.trace.parameters, "field": "energy_kwh"}
    trace, energy = found.trace.model_copy(update={"parameters": named}), float(kwh.sum())
    figure = found.model_copy(update={"trace": trace, "kpi": "energy_kwh", "value": Decimal(repr(round(energy, 6)))})
    made = figure_band(figure, sources=asked.sources, lookup=lambda _: None)
    confirm(made, energy, drawn(kwh, list(MAINS)).sum(axis=1))


def test_a_bill_by_registers_moves_with_its_one_meter_and_not_at_all_with_several(
    world: MakeWorld, tmp_path: Path
) -> None:
    periods = [{"period_id": "day", "price_per_kwh": 0.3}, {"period_id": "night", "price_per_kwh": 0.2}]
    charge = {"charge_id": "energy", "by_register": True, "periods": periods}
    given = Tariff.model_validate({"tariff_id": "two", "energy": [charge]})
    used = world(site=without_main(tariffs=(given,)))
    states = tuple(
        BilledRegister(period_id=name, opened=Decimal(0), closed=Decimal(kwh))
        for name, kwh in (("day", 100), ("night", 50))
    )
    found = {}
    for meter in ("hvac", ""):
        bill = SupplierBill(
            file="two.csv", sha256="b" * 64, meter=meter, start=FEBRUARY[0], end=FEBRUARY[1], currency="EUR",
            registers=states, total=Decimal(40),
            lines=(BilledLine(place=Place(line=1), label="energy", amount=Decimal(40)),),
        )  # fmt: skip
        path = tmp_path / "two.csv"
        path.write_text(meter)
        books = BillStore(used.lake.root.parent / "bills", used.lake.store)
        bill_id = books.keep_bill(path, bill, site_id="plant", clock=used.clock)
        audit = reconciled(used.sources(used.site), used.site, bill_id, used.reports.store.known_at(used.clock))
        assert not isinstance(audit, Exception), audit
        found[meter] = Asked(used, AuditedBill(bill_id=bill_id, bill=bill, state="matches", audit=audit)).band()
    # 100 kWh at 0.30 and 50 at 0.20, class A.
    assert found["hvac"].half == pytest.approx(0.9 * 0.035 * 40)
    assert (found[""].half, [each.code for each in found[""].left_out]) == (None, ["not_propagated"])


def test_a_report_of_bills_tells_the_band_of_what_was_made_again(tmp_path: Path) -> None:
    year = make_year(tmp_path, site=classed({"main": "C"}, None))
    add_bill(year, "2025-02", extra=Decimal(50))
    content = year.report("bill_reconciliation", "2025-Q1")
    by_id = {each.figure_id: each for each in content.figures}
    banded = {by_id[each.figure_id].kpi: each for each in content.bands}
    assert set(banded) == {"recomputed", "delta"}
    value = float(by_id[banded["recomputed"].figure_id].value or 0)
    assert banded["recomputed"].high - value == pytest.approx(0.9 * 0.007 * value, rel=1e-4)
    assert banded["delta"].not_included == ("billed_as_claimed",)
    assert "billed_as_claimed" in {each.code for each in content.findings}
    metered = next(each for each in content.figures if each.kpi == "energy_kwh")
    energy = figure_band(metered, sources=year.world.sources(year.site), lookup=by_id.get)
    assert energy.half == pytest.approx(0.9 * 0.007 * float(metered.value or 0), rel=1e-6)
    year.world.lake.store.close()
