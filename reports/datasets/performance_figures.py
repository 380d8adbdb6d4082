"""The figures of the dataset `performance`: what is read first, then what is made of it. Places, labels and order.

Every number is one of the datasets `enpi`, `site` and `quality`; identifiers of printed reports rest on the places.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period, months_of, span
from reports.datasets.base import Item, Leaf, nothing, put, use_item
from reports.datasets.enpi import MEASURES as OF_USES
from reports.datasets.enpi import TERM_FIELDS, EnpiData, baseline_leaf
from reports.datasets.quality_figures import BATCHES, QualityData
from reports.datasets.site_kpis import MEASURES as OF_SITE
from reports.datasets.site_kpis import SiteKpis
from reports.figure_book import FigureBook
from reports.texts.locales import page_word

SITE_KPIS = ("consumption_kwh", "peak_15min_kw", "load_factor", "cost", "emission_kgco2e")
STATISTICS = (
    "n", "r2", "r2_adj", "cvrmse_n", "cvrmse_g14", "cvrmse_caltrack", "cvrmse_out_of_sample", "nmbe_out_of_sample",
    "rho1",
)  # fmt: skip
_ENERGIES = ("actual_kwh", "expected_kwh")
_COMPARISONS = {
    "delta_kwh": "actual minus expected",
    "savings_kwh": "savings",
    "enpi": "EnPI",
    "deviation_percent": "deviation",
}


class PerformanceFigures:
    """Puts the figures of one report into its book."""

    def __init__(self, book: FigureBook, *, uses: EnpiData, site: SiteKpis, quality: QualityData) -> None:
        self.book, self.given = book, uses.given
        self._uses, self._site, self._quality = uses, site, quality
        self._months, self._site_scope = months_of(self.given.period), f"site:{self.given.site.site_id}"
        # Behind a span of the whole report stand its readings, the site file, and then calendars.
        self._calendars = self.given.behind(self.given.period)[2:]

    def fill(self, sums: Mapping[str, Sequence[Seu]]) -> None:
        """Every figure. sums: carrier -> the uses that its sum adds."""
        for seu in self._uses.seus():
            for month in self._months:
                path, result = f"seu/{seu.seu_id}/{month_key(month)}", self._uses.result(seu, month)
                self._add_assessed(path, seu, month, (*_ENERGIES, "compared_days"))
                self._compare(path, [seu], month, name=seu.name, status=result.status)
            self._add_whole(seu)
            if seu.seu_id in self.given.versions:
                self._add_baseline(self.given.versions[seu.seu_id])
        for carrier, seus in sums.items():
            self._add_sum(f"total/{carrier}", seus)
        self._add_site()
        whole = self._site_item(self.given.period)
        for name in BATCHES:
            label = self._word(name.replace("_", " ").capitalize())
            self._add(f"quality/{name}", self._quality.leaf(name, whole), whole, label=label, unit="count")

    def _add_whole(self, seu: Seu) -> None:
        path, period = f"seu/{seu.seu_id}", self.given.period
        named = ("metered_kwh", "compared_days", "coverage", "estimated_share", "uncertainty_kwh")
        self._add_assessed(path, seu, period, named)
        for kpi in _ENERGIES:
            # Made of the printed months, so that a reader's own addition comes out.
            self._add_of_months(path, kpi, "sum", label=f"{seu.name}, {self._word(_short(kpi))}")
        result = self._uses.result(seu, period)
        self._compare(path, [seu], period, name=seu.name, status=result.status, band_kwh=result.uncertainty_kwh)

    def _add_assessed(self, path: str, seu: Seu, period: Period, kpis: Sequence[str]) -> None:
        item = use_item(seu, period)
        for kpi in kpis:
            label = f"{seu.name}, {self._word(_short(kpi))}"
            self._add(f"{path}/{kpi}", self._uses.leaf(kpi, item), item, label=label, unit=OF_USES[kpi].unit)

    def _add_sum(self, path: str, seus: Sequence[Seu]) -> None:
        pattern = "Sum of {0} use" if len(seus) == 1 else "Sum of {0} uses"
        name = self._word(Sentence(pattern, len(seus)))
        for part in [*(f"/{month_key(month)}" for month in self._months), ""]:
            for kpi in _ENERGIES:
                parts = [("part", self.book.at(f"seu/{seu.seu_id}{part}/{kpi}")) for seu in seus]
                self.book.derive(
                    f"{path}{part}/{kpi}", "sum", parts, label=f"{name}, {self._word(_short(kpi))}", kpi=kpi,
                    unit="kwh", scope=self._site_scope,
                )  # fmt: skip
        self._compare(path, seus, self.given.period, name=name)

    def _compare(
        self,
        path: str,
        seus: Sequence[Seu],
        period: Period,
        *,
        name: str,
        status: str = "",
        band_kwh: float | None = None,
    ) -> None:
        """Figure made of the actual and the expected energy of uses. status, band_kwh: of the one use."""
        energies = {kpi: self.book.at(f"{path}/{kpi}") for kpi in _ENERGIES}
        item = Item(key="", label="", scope=energies["actual_kwh"].scope, period=period)
        for kpi, words in _COMPARISONS.items():
            made, unit, label = OF_USES[kpi].made, OF_USES[kpi].unit, f"{name}, {self._word(words)}"
            assert made is not None  # noqa: S101 - each of them is made of the two energies
            if OF_USES[kpi].is_claim and (code := barred_of(self._uses, seus, period)):
                self._add(f"{path}/{kpi}", nothing(code, (code,)), item, label=label, unit=unit)
                continue
            self.book.derive(
                f"{path}/{kpi}",
                made[0],
                [(_short(part), energies[part]) for part in made[1]],
                label=label,
                kpi=kpi,
                unit=unit,
                scope=item.scope,
                # The status is judged by the deviation, so it stands there alone.
                status=status if kpi == "deviation_percent" else "",
                # The band is that of a difference; the ratio's would be another.
                uncertainty=band_kwh if made[0] == "difference" else None,
            )

    def _add_site(self) -> None:
        for month in self._months:
            self._add_site_span(f"site/{month_key(month)}", month, SITE_KPIS)
        for kpi in SITE_KPIS:
            if OF_SITE[kpi].whole != "asked":
                self._add_of_months("site", kpi, OF_SITE[kpi].whole, label=self._word(_site_label(kpi)))
        # Made of the whole span again: load factors of months neither add up nor average.
        self._add_site_span("site", self.given.period, ("load_factor",))

    def _add_site_span(self, path: str, span: Period, kpis: Sequence[str]) -> None:
        given, item = self.given, self._site_item(span)
        readings = given.sources.site_streams(given.site, span.start, span.end, given.as_of_utc)
        coverage = given.sources.coverage(given.site, span, readings)
        for kpi in kpis:
            leaf = replace(self._site.leaf(kpi, item), coverage=float(coverage), estimated_share=None)
            self._add(f"{path}/{kpi}", leaf, item, label=self._word(_site_label(kpi)), unit=OF_SITE[kpi].unit)
        leaf = Leaf(coverage, "scope_coverage", given.span(span), given.behind(span))
        self._add(f"{path}/coverage", leaf, item, label=self._word("Coverage"), unit="ratio")

    def _add_of_months(self, path: str, kpi: str, combination: str, *, label: str) -> None:
        parts = [("part", self.book.at(f"{path}/{month_key(month)}/{kpi}")) for month in self._months]
        self.book.derive(f"{path}/{kpi}", combination, parts, label=label, kpi=kpi, unit=parts[0][1].unit)

    def _add_baseline(self, version: BaselineVersion) -> None:
        baseline, leaves = version.baseline, [baseline_leaf(version, name) for name in STATISTICS]
        trained = span(baseline.train_start, baseline.train_end, self.given.site.time_zone)
        item = Item(key="", label="", scope=f"seu:{baseline.seu_id}", period=trained)
        for term in baseline.coefficients:
            leaves += [baseline_leaf(version, measure, term.name) for measure in TERM_FIELDS]
        for leaf in leaves:
            name = leaf.parameters["name"]
            _, is_term, field = name.partition(":")
            unit = "count" if name == "n" else "kwh/day" if is_term and field != "p_value" else "ratio"
            path, label = f"baseline/{baseline.seu_id}/{name.replace(':', '/')}", name.replace(":", " ")
            put(
                self.book,
                path,
                leaf,
                item,
                label=self._word(Sentence("{0}, baseline: {1}", baseline.seu_id, label))
                if self.given.language
                else f"{baseline.seu_id} baseline, {label}",
                kpi=name,
                unit=unit,
            )

    def _word(self, text: str) -> str:
        return page_word(text, self.given.language or "en")

    def _add(self, path: str, leaf: Leaf, item: Item, *, label: str, unit: str) -> None:
        """A leaf as a figure; its kpi is the last part of its path."""
        if leaf.inputs:
            # A month names the calendars of the whole report.
            of_span = len(self.given.behind(item.period))
            leaf = replace(leaf, inputs=[*leaf.inputs[:2], *self._calendars, *leaf.inputs[of_span:]])
        put(self.book, path, leaf, item, label=label, kpi=path.rpartition("/")[2], unit=unit)

    def _site_item(self, period: Period) -> Item:
        return Item(key="", label="", scope=self._site_scope, period=period)


def barred_of(uses: EnpiData, seus: Sequence[Seu], period: Period) -> str:
    """Code of what forbids to claim a saving of these uses: one that is barred bars their sum."""
    codes = (uses.barred(use_item(seu, period)) for seu in seus)
    return next((code for code in codes if code), "")


def month_key(period: Period) -> str:
    """The month's name in a path: 2025-01."""
    return f"{period.start:%Y-%m}"


def _short(kpi: str) -> str:
    return kpi.removesuffix("_kwh").replace("_", " ")


def _site_label(kpi: str) -> str:
    return "Cost" if kpi == "cost" else OF_SITE[kpi].label
