"""The digest of a day: energy, cost and carbon of a site, and its uses against their approved baselines."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from assets.stores.warehouse.marts import if_published, read_mart
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.site import Site
from reports.figures.answer import Asking, figures_of
from reports.figures.query import Query
from reports.texts.locales import long_date
from reports.texts.numbers import format_alike, unit_text

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

_KPIS = {"consumption_kwh": "Energy", "cost": "Cost", "emission_kgco2e": "Carbon"}


def digest_of(project: "OpenProject", site: Site, day: date, locale: str, now_utc: datetime) -> str:
    """Sentence about a local day of 23, 24 or 25 hours, of the published marts; what they do not have is said."""
    figures = figures_of_day(project, site, day, now_utc)
    if not figures:
        return Sentence("{0}: no readings yet", long_date(day, locale))
    amounts = [
        _amount(*figures[kpi], locale) if kpi in figures else Sentence("{0}: not known", Sentence(title))
        for kpi, title in _KPIS.items()
    ]
    told = Sentence("{0}: {1}", long_date(day, locale), sentences(amounts, ", "))
    return sentences((told, _against(project, site, day, locale)), "; ")


def questions_of(site: Site, day: date) -> dict[str, Query]:
    """The digest's figures by measure, each as the question that its page of reasons answers."""
    span = f"{day}/{day + timedelta(days=1)}"
    return {kpi: Query(measure=kpi, scopes=(f"site:{site.site_id}",), span=span) for kpi in _KPIS}


def figures_of_day(project: "OpenProject", site: Site, day: date, now_utc: datetime) -> dict[str, tuple[float, str]]:
    """Value and unit of those that the published marts have."""
    marts = project.project.marts_dir
    given = Asking(
        site=site, sources=project.sources(keeps=False), marts_dir=marts, read=partial(read_mart, marts),
        baselines=project.baselines, as_of_utc=now_utc,
    )  # fmt: skip
    found = {}
    for kpi, question in questions_of(site, day).items():
        try:
            figure, _ = figures_of(question, given)
        except BadInput as fault:
            if fault.reason not in ("no_number", "mart_missing"):
                raise
            continue
        if figure.value is not None:
            found[kpi] = float(figure.value), figure.unit
    return found


def _against(project: "OpenProject", site: Site, day: date, locale: str) -> str:
    """Uses that have an approved baseline and are compared on the day, together."""
    approved = {each.baseline_id for each in project.baselines.versions() if each.status == "approved"}
    rows = if_published(
        lambda: read_mart(
            project.project.marts_dir, "mart_seu__day_enpi", site_id=site.site_id, where=pl.col("local_date") == day
        ),
        lambda _: pl.DataFrame(),
    )
    found = compared_kwh(rows, site, approved)
    return (
        ""
        if found is None
        else Sentence("uses with a baseline took {0}, expected {1}", *(_amount(each, "kwh", locale) for each in found))
    )


def compared_kwh(rows: pl.DataFrame, site: Site, approved: Collection[str]) -> tuple[float, float] | None:
    """Measured and expected energy of the uses whose baselines are approved; of those that overlap none, for their
    energy is in others. rows: of mart_seu__day_enpi. None where no use is compared.
    """
    if rows.is_empty():
        return None
    apart = [each.seu_id for each in site.seus if not each.is_aggregate]
    counted = pl.col("is_compared") & pl.col("baseline_id").is_in(list(approved)) & pl.col("seu_id").is_in(apart)
    rows = rows.filter(counted)
    return None if rows.is_empty() else (float(rows["actual_kwh"].sum()), float(rows["expected_kwh"].sum()))


def _amount(value: float, unit: str, locale: str) -> str:
    [text] = format_alike([round(value, 2)], unit, locale=locale)
    return f"{text} {unit_text(unit)}"
