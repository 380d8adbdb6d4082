"""Data-quality figures: share of readings read, estimated, refused, and late."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from data_quality.contracts.finding import Finding
from data_quality.contracts.time import CANONICAL_MINUTES, Period, months_of
from reports.datasets.base import Item, Leaf, Measure, OfSite
from reports.recompute.computations import counted

NAME = "quality"
BATCHES = ("files", "accepted_rows", "rejected_rows")
# Counts first, shares made of them: shares of months cannot be added up to that of a year.
_COUNTS = {"expected_readings": "expected", "read_readings": "read", "estimated_readings": "estimated"}
MEASURES: Mapping[str, Measure] = {
    "files": Measure("Accepted files", "count", whole="asked", decimals=0),
    "accepted_rows": Measure("Rows accepted from them", "count", whole="asked", decimals=0),
    "rejected_rows": Measure("Rows rejected, kept in quarantine", "count", whole="asked", decimals=0),
    "expected_readings": Measure("Quarter hours", "count", decimals=0),
    "read_readings": Measure("Quarter hours read", "count", decimals=0),
    "estimated_readings": Measure("Quarter hours estimated", "count", decimals=0),
    "missing_readings": Measure(
        "Quarter hours missing", "count", made=("difference", ("expected_readings", "read_readings")), decimals=0
    ),
    "coverage": Measure("Coverage", "ratio", made=("ratio", ("read_readings", "expected_readings")), is_share=True),
    "estimated_share": Measure(
        "Estimated", "ratio", made=("ratio", ("estimated_readings", "read_readings")), is_share=True
    ),
}
GAP_SHARE = Decimal("0.9")
FACTS = ("name",)


class QualityData(OfSite):
    """The dataset `quality`. Scopes: site:<id>, meter:<id>, seu:<id>; batches are counted for the site."""

    measures = MEASURES

    @cached_property
    def _rows(self) -> dict[tuple[str, date], dict[str, Any]]:
        rows = [] if self.given.marts_dir is None else self.given.mart("mart_scope__month_kpi")
        return {(row["scope"], row["period_start"]): row for row in rows}

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A count over the item's span."""
        given, period = self.given, item.period
        if measure in BATCHES:
            value = given.sources.batch_count(given.site, period, given.as_of_utc, measure)
            return Leaf(value, "batch_count", {**given.span(period), "field": measure}, given.behind(period))
        kind = _COUNTS[measure]
        value_of = self._from_mart(kind, item)
        if value_of is None:
            value_of = counted(kind, given.site, item.scope, period, given.sources, given.as_of_utc)
        return Leaf(
            value_of, "reading_count", {**given.span(period), "scope": item.scope, "kind": kind}, given.behind(period)
        )

    def findings(self, period: Period) -> list[Finding]:
        """Rejected rows, gaps, and months of which less than nine tenths were read."""
        found, scope, thin = self.rejected(period), f"site:{self.given.site.site_id}", []
        missed = expected_sum = Decimal(0)
        for month in months_of(period):
            item = Item(key="", label="", scope=scope, period=month)
            expected, read = (self.leaf(name, item).value for name in ("expected_readings", "read_readings"))
            if not read:
                # A month of which nothing was read is told by the site's own finding.
                continue
            missed += (expected or Decimal(0)) - read
            expected_sum += expected or Decimal(0)
            if expected and read < GAP_SHARE * expected:
                thin.append(month.label)
        if missed > 0:
            found.append(
                Finding(
                    code="gaps",
                    message="Quarter hours of the site's electricity were not read: sums hold what was read.",
                    scope=scope,
                    facts={"missing_quarter_hours": int(missed), "quarter_hours": int(expected_sum)},
                )
            )
        if thin:
            found.append(
                Finding(
                    code="coverage",
                    message="Of some months less than 90 % of the site's electricity was read: their sums are too low.",
                    scope=scope,
                    facts={"months": ", ".join(thin)},
                )
            )
        return found

    def rejected(self, period: Period) -> list[Finding]:
        """Rows of the files behind the span that were refused."""
        count = self.given.sources.batch_count(self.given.site, period, self.given.as_of_utc, "rejected_rows")
        message = "Rows of the meter files behind this period were rejected; they are in quarantine."
        return [Finding(code="rejected_rows", message=message, facts={"rejected_rows": int(count)})] if count else []

    def _from_mart(self, kind: str, item: Item) -> Decimal | None:
        rows = [self._rows.get((item.scope, month.start)) for month in months_of(item.period)]
        months = zip(rows, months_of(item.period), strict=True)
        # A span may cut a month: the marts hold whole ones only.
        if any(row is None or row["period_end"] != month.end for row, month in months):
            return None
        known = [row for row in rows if row is not None]
        if kind == "expected":
            return Decimal(sum(int(row["expected_minutes"]) // CANONICAL_MINUTES for row in known))
        read = [int(row["covered_minutes"]) // CANONICAL_MINUTES for row in known]
        if kind == "read":
            return Decimal(sum(read))
        # The share is the quotient of two whole numbers, the second of which is known: the first is found exactly.
        shares = zip(known, read, strict=True)
        return Decimal(sum(round((row["estimated_share"] or 0.0) * count) for row, count in shares))
