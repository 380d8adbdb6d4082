"""Location-based emission factors by local day, from the dated entries of the site file (formulas 5.12)."""

from datetime import date, timedelta

import polars as pl

from assets.tariffs.periods import PRICE, six_decimals
from data_quality.contracts.site import Carrier, EmissionFactorEntry, Site, check_factors

SCHEMA: dict[str, pl.DataType] = {
    "local_date": pl.Date(),
    "carrier": pl.String(),
    "kgco2e_per_kwh": PRICE,
    "factor_id": pl.String(),
}


def day_factors(site: Site, start: date, end: date) -> pl.DataFrame:
    """The factor of each local date of [start, end) and each carrier that the site meters or has factors for.

    Returns local_date, carrier, kgco2e_per_kwh (Decimal(12, 6)), factor_id; both null where none is in force: a
    gap is never zero. Raises BadInput where two factors of one carrier hold on one day.
    """
    check_factors(site)
    carriers = sorted({meter.carrier for meter in site.meters} | {entry.carrier for entry in site.factors})
    rows = []
    for carrier in carriers:
        entries = [entry for entry in site.factors if entry.carrier == carrier]
        for offset in range((end - start).days):
            day = start + timedelta(days=offset)
            found = next((entry for entry in entries if entry.valid_from <= day < entry.valid_to), None)
            rows.append((day, carrier.value, _exact(found), found.factor_id if found else None))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def electricity_factors(site: Site, start: date, end: date) -> pl.DataFrame:
    """Of `day_factors`, electricity: local_date, electricity_kgco2e_per_kwh, one row per local date."""
    factors = day_factors(site, start, end).filter(pl.col("carrier") == Carrier.ELECTRICITY.value)
    days = pl.DataFrame({"local_date": pl.date_range(start, end, closed="left", eager=True)})
    return days.join(
        factors.select("local_date", electricity_kgco2e_per_kwh="kgco2e_per_kwh"),
        on="local_date",
        how="left",
        validate="1:1",
        maintain_order="left",
    )


def _exact(entry: EmissionFactorEntry | None) -> object:
    return None if entry is None else six_decimals(entry.kgco2e_per_kwh, what=f"factor {entry.factor_id}:")
