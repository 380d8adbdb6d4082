"""Turns figures into cells, tiles and sentences: display text by locale, tone by status. Values stay untouched."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from assets.kpi.enpi.daily import driver_of
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from reports.report_content import Cell, Tone
from reports.texts.locales import days_of, format_number

TONES: dict[str, Tone] = {
    "compliant": "good",
    "warning": "caution",
    "critical": "bad",
    "not_assessable": "muted",
    "improved": "good",
    "degraded": "bad",
    "on_target": "plain",
}
# One vocabulary: what an alert level says, and below the lower one whether less was used than expected.
WORDS = {
    "compliant": "On target",
    "warning": "Watch",
    "critical": "Act",
    "not_assessable": "Not assessable",
    "improved": "Improved",
    "on_target": "On target",
    "degraded": "Worse",
    "provisional": "baseline is provisional",
    "no_baseline": "no baseline",
    "coverage": "too few complete days",
    "expected": "nothing expected",
    "implausible_saving": "implausibly large saving",
    "extrapolation": "drivers outside the baseline's range",
    "baseline_review_due": "baseline review due",
    "enpi_quarter": "EnPI quarter",
    "enpi_year": "EnPI year",
    "ghg_inventory": "GHG inventory",
    "mv_project": "M&V project",
    "eui_partial_year": "EUI of a part of a year",
    "kpi_sql": "SQL of the KPIs",
    "scope_kpi": "KPI of a scope",
    "ols_daily": "Linear regression by day",
    "is_weekend": "weekend",
    "is_holiday": "public holiday",
}


class Writer:
    """Writes one report in one locale."""

    def __init__(self, locale: str) -> None:
        self.locale = locale

    def number(self, figure: Figure, decimals: int, *, signed: bool = False, tone: Tone = "plain") -> Cell:
        """A figure as a cell."""
        text = format_number(figure.value, decimals=decimals, locale=self.locale, signed=signed)
        return Cell(text=text, figure_id=figure.figure_id, decimals=decimals, tone=tone)

    def percent(self, figure: Figure, decimals: int = 1) -> Cell:
        """A share 0–1 as percent. The cell's figure keeps the share."""
        # For display only: the cell's figure stays a share, which Excel itself shows as percent.
        value = None if figure.value is None else figure.value * 100
        text = format_number(value, decimals=decimals, locale=self.locale)
        return Cell(text=text if value is None else f"{text} %", figure_id=figure.figure_id, decimals=decimals + 2)

    def probability(self, figure: Figure) -> Cell:
        """A p-value with four decimals; a smaller one says that it is smaller, not that it is zero."""
        if figure.value is None or figure.value >= Decimal("0.0001"):
            return self.number(figure, 4)
        least = format_number(Decimal("0.0001"), decimals=4, locale=self.locale)
        return Cell(text=f"< {least}", figure_id=figure.figure_id, decimals=4)


def words(code: str) -> str:
    """A code as people read it."""
    return WORDS.get(code, code.replace("_", " "))


def term_words(term: str, site: Site) -> Sentence:
    """A term of a baseline as people read it: its driver's name, of a degree-day term with its kind and base."""
    driver = driver_of(term)
    if driver != term:
        kind, _, base_degc = term.removeprefix(f"{driver}.").partition("_")
        pattern = {"hdd": "heating degree days, base {0} °C", "cdd": "cooling degree days, base {0} °C"}[kind]
        return Sentence("{0}: {1}", site.stream_name(driver), Sentence(pattern, base_degc))
    return Sentence(words(term)) if term in WORDS or term == "intercept" else Sentence("{0}", site.stream_name(term))


def on_day(text: str, at_utc: datetime) -> Sentence:
    """A person or an act, with the UTC day."""
    day = at_utc.astimezone(UTC).date()
    return Sentence("{0}, {1}", text, days_of(day, day + timedelta(days=1)))


def standing_of(status: str, performance: str) -> str:
    """The one code that tells how a use stands: its alert level, or that it improved where nothing alerts."""
    return performance if status == "compliant" and performance == "improved" else status


def significance(significant: bool | None) -> str:
    """Word for a difference: beyond what the model cannot tell, or within it."""
    return {True: "significant", False: "not significant", None: "significance not known"}[significant]


def plain(text: str, tone: Tone = "plain") -> Cell:
    """Words without a figure."""
    return Cell(text=text, tone=tone)
