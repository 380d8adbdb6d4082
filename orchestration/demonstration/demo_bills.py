"""The demo's supplier's bills: the factory's last six months, the last one at last year's prices. Synthetic."""

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from assets.bills.documents.read_bill import read_bill
from assets.bills.engine.compute import make_bill
from assets.bills.stored import load_of_meters
from assets.sites.calendar import types_around
from assets.sites.meter_tree import total_meters
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.bill import BillPeriod
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import OurFault
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_midnight_utc
from orchestration.demonstration.demo_dates import last_months
from orchestration.resources import ProjectResource

BILLED, BILLS = "factory", 6


def store_bills(project: ProjectResource, clock: Clock, *, until: date) -> list[Path]:
    """Write the bills beside the landing folder, as a supplier would send them, and add them to the store."""
    site, books = project.site(BILLED), BillStore(project.project.data_dir / "bills", project.store)
    folder = project.project.root / "bills"
    folder.mkdir(exist_ok=True)
    paths = []
    months = last_months(until, BILLS)
    for start, end in months:
        # How many of the dated tariffs the supplier's prices of energy are behind.
        made, tariff = _billed(project, site, start, end, int((start, end) == months[-1]))
        path = folder / f"{BILLED}_{start:%Y-%m}_synthetic.csv"
        head = {
            "Supplier": "Simulated power supply of the demo",
            "Remark": "Synthetic: computed from simulated readings",
            "Invoice number": f"DEMO-{made.start:%Y-%m}",
            "Account": "DEMO-1",
            "Meter": "MAIN",
            "Tariff": tariff.tariff_id,
            "Period from": made.start,
            "Period to (exclusive)": made.end,
            "Currency": site.currency,
        }
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerows([*head.items(), [], ["Description", "Quantity", "Unit", "Rate", "Amount"]])
            for each in made.lines:
                rows.writerow([each.description, f"{each.quantity:.3f}", each.unit, each.rate, each.amount])
            rows.writerow(["Total", "", "", "", made.total])
        books.keep_bill(path, read_bill(path), site_id=BILLED, clock=clock)
        paths.append(path)
    return paths


def _billed(project: ProjectResource, site: Site, start: date, end: date, behind: int) -> tuple[BillPeriod, Tariff]:
    meters = total_meters(site, Carrier.ELECTRICITY)
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    load = load_of_meters(project.lake.current(site.site_id, start_utc=start_utc, end_utc=end_utc), meters)
    if load is None:
        raise OurFault("the demo's factory has no readings to be billed")
    tariff = _in_force(site.tariffs, start, behind).model_copy(update={"valid_from": start, "valid_to": end})
    bill = make_bill(
        [tariff],
        load,
        time_zone=site.time_zone,
        start=start,
        end=end,
        currency=site.currency,
        # Christmas is a day of the low tariff.
        day_types=types_around(site, start, end, days=1),
    )
    return bill.periods[0], tariff


def _in_force(tariffs: Sequence[Tariff], day: date, behind: int) -> Tariff:
    begun = sorted((each for each in tariffs if each.valid_from <= day), key=lambda each: each.valid_from)
    older = begun[-1 - behind]
    return begun[-1].model_copy(update={"tariff_id": older.tariff_id, "name": older.name, "periods": older.periods})
