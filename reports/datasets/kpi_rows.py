"""KPIs as one report sees them: the published marts' rows; by the same SQL over the readings where there are none."""

from collections.abc import Collection, Iterable
from datetime import date
from itertools import pairwise

from assets.kpi.from_readings import AskedKpi, KpiRow
from assets.kpi.published_kpis import PRINTED_GRAINS, PublishedKpis
from data_quality.contracts.time import Period
from reports.datasets.base import Given
from reports.recompute.figure_sources import KpiBasis


class KpiRows:
    """kpis: those that are asked; scope: the only one of which they are, None: any."""

    def __init__(self, given: Given, *, kpis: Collection[str], scope: str | None = None) -> None:
        site_id, marts_dir = given.site.site_id, given.marts_dir
        self._sources, self._basis, self._kpis = given.sources, KpiBasis(site_id, given.as_of_utc), tuple(kpis)
        self._rows = None if marts_dir is None else PublishedKpis(marts_dir, site_id, kpis=kpis, scope=scope)
        self._wanted: set[AskedKpi] = set()

    def want(self, asked: Iterable[AskedKpi]) -> None:
        """Say what `of` will be asked: what no mart has is then made by one run of the SQL."""
        wanted = {each for each in asked if self._published(each) is None}
        self._wanted |= wanted
        self._sources.want(self._basis, wanted)

    def of(self, scope: str, kpi: str, period: Period) -> KpiRow | None:
        """The KPI of a scope and span; None where nothing was ever read of it."""
        asked = AskedKpi(kpi, scope, period.start, period.end)
        rows = self._published(asked)
        if rows is not None:
            return rows.get(asked)
        # Whoever asks for one KPI of a month asks for its others and for other months next: one run answers for all.
        if asked not in self._wanted:
            self.want(AskedKpi(each, scope, *span) for span in _beside(asked) for each in self._kpis)
        return self._sources.kpi_row(self._basis, asked)

    def _published(self, asked: AskedKpi) -> PublishedKpis | None:
        return self._rows if asked.grain in PRINTED_GRAINS else None


def _beside(asked: AskedKpi) -> list[tuple[date, date]]:
    """The span itself; of a month, every month of its year."""
    if asked.grain != "month":
        return [(asked.start, asked.end)]
    firsts = [asked.start.replace(month=number) for number in range(1, 13)] + [date(asked.start.year + 1, 1, 1)]
    return list(pairwise(firsts))
