"""Greenhouse gas inventory: Scope 1, Scope 2 by both methods, energy by carrier, with the factors that were used."""

from collections.abc import Mapping

from assets.carbon.inventory.site_footprint import DIRECT
from assets.tariffs.periods import PRICE_DECIMALS
from data_quality.contracts.emissions.footprint import FootprintLine
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.time import Period, months_of
from reports.datasets.base import Item, Leaf, Measure, OfSite, ReportInput
from reports.recompute.footprint import (
    ENERGIES,
    LINES,
    account_of,
    carriers_of,
    energies,
    factor_input,
    findings_of,
    lines_of,
    meters_of,
    number,
)
from reports.texts.locales import word

NAME = "footprint"
# The Scope 2 Guidance wants both, side by side: they are two views of one energy and never added.
_SCOPE2 = ("scope2_location_kgco2e", "scope2_market_kgco2e")
MEASURES: Mapping[str, Measure] = {
    "energy_kwh": Measure("Purchased energy", "kwh"),
    "self_consumed_kwh": Measure("Energy made and used on site", "kwh"),
    "consumed_kwh": Measure("Energy used, bought or made on site", "kwh"),
    "sold_kwh": Measure("Energy fed in or sold", "kwh"),
    "scope1_kgco2e": Measure("Scope 1", "kgco2e"),
    "scope2_location_kgco2e": Measure("Scope 2, location-based", "kgco2e"),
    "scope2_market_kgco2e": Measure("Scope 2, market-based", "kgco2e"),
    "total_location_kgco2e": Measure(
        "Scope 1 + 2, location-based", "kgco2e", made=("sum", ("scope1_kgco2e", _SCOPE2[0]))
    ),
    "total_market_kgco2e": Measure("Scope 1 + 2, market-based", "kgco2e", made=("sum", ("scope1_kgco2e", _SCOPE2[1]))),
    "intensity_location": Measure(
        "Scope 2, location-based, per kWh",
        "kgco2e/kwh",
        made=("ratio", (_SCOPE2[0], "energy_kwh")),
        decimals=PRICE_DECIMALS,
    ),
    "intensity_market": Measure(
        "Scope 2, market-based, per kWh",
        "kgco2e/kwh",
        made=("ratio", (_SCOPE2[1], "energy_kwh")),
        decimals=PRICE_DECIMALS,
    ),
}
# Facts in which factors are named, and the scopes whose lines use them.
_FACTORS: Mapping[str, tuple[int, ...]] = {"factors": (1, 2), "scope1_factors": (1,), "scope2_factors": (2,)}
FACTS = ("name", *_FACTORS, "meters", "scope")
# Of a scope of which no meter counts anything: its zero was not measured.
NOT_COUNTED: Mapping[str, int] = {"not_counted_fuel": 1, "not_counted_electricity": 2}
_MISSING = "factor_or_reading_missing"


def year_account(given: ReportInput, period: Period) -> Period:
    """The account of the span's year so far, and of the days before it from which on certificates are used up."""
    account = account_of(period, given.period.end, given.since)
    view = given.sources.factors(given.site, given.as_of_utc)
    return account.model_copy(update={"start": view.claims_from(account.start, given.since)})


class FootprintData(OfSite):
    """The dataset `footprint`. Scopes: site:<id> for all carriers, carrier:<name> for one."""

    measures = MEASURES

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Carriers that the site buys."""
        if axis != "carrier":
            return None
        return [
            Item(
                key=each.value,
                label=word(each.value.replace("_", " ").capitalize(), self.given.locale),
                scope=f"carrier:{each.value}",
                period=period,
            )
            for each in carriers_of(self.given.site)
        ]

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the inventory of the item's span."""
        given, period = self.given, item.period
        kind, _, name = item.scope.partition(":")
        if kind not in {"site", "carrier"}:
            raise OurFault(f"{item.scope!r} has no inventory")
        carrier = name if kind == "carrier" else ""
        account = year_account(given, period)
        left_out = {"left_out": given.left_out} if given.left_out else {}
        named = {"field": measure, "carrier": carrier, **left_out}
        try:
            value = number(given.sources, given.site, period, account, given.as_of_utc, **named)
        except BadInput:
            # Two factors of one day, say: a finding of the report tells it.
            value = None
        return Leaf(
            value=value,
            computation="footprint_number",
            parameters={
                **given.span(period),
                "account_start": account.start.isoformat(),
                "account_end": account.end.isoformat(),
                **named,
            },
            inputs=[*given.behind(account), factor_input(given.sources, given.site, given.as_of_utc)],
            status="" if value is not None else self._why_not(measure, carrier, account),
            estimated_share=self._estimated(period, carrier),
            findings=self._not_counted(measure, item, carrier) if value == 0 else (),
        )

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """The factors that were used, the meters, the scope."""
        given, carrier = self.given, item.scope.removeprefix("carrier:")
        carrier = "" if item.scope.startswith("site:") else carrier
        if name == "name":
            return item.label, "plain"
        lines = self._lines(item.period, carrier)
        if name in _FACTORS:
            used = dict.fromkeys(each.factor_id for each in lines if each.factor_id and each.scope in _FACTORS[name])
            return "; ".join(used) or Sentence("none in force"), "plain"
        if name == "scope":
            return ", ".join(str(scope) for scope in sorted({line.scope for line in lines})) or "–", "plain"
        # Of the site's own list: a carrier that it no longer buys is no item either.
        found = [each for each in carriers_of(given.site) if carrier in {"", each.value}]
        return ", ".join(name for each in found for name in meters_of(given.site, each)), "plain"

    def findings(self, period: Period) -> list[Finding]:
        """Findings of the inventory of the span."""
        return findings_of(self.given.sources, self.given.site, period, self.given.as_of_utc)

    def _lines(self, period: Period, carrier: str) -> list[FootprintLine]:
        given = self.given
        found: list[FootprintLine] = []
        for month in months_of(period):
            account = year_account(given, month)
            try:
                lines = lines_of(given.sources, given.site, month, account, given.as_of_utc)
            except BadInput:
                return []
            found += [line for line in lines if carrier in {"", line.carrier.value}]
        return found

    def _not_counted(self, measure: str, item: Item, carrier: str) -> tuple[str, ...]:
        """Code of a zero that no meter measured: of a scope of which the inventory has no line."""
        scope = LINES[measure][0] if measure in LINES else 0
        if carrier and (Carrier(carrier) in DIRECT) != (scope == 1):
            return ()
        is_counted = any(line.scope == scope for line in self._lines(item.period, carrier))
        return () if is_counted else tuple(code for code, of in NOT_COUNTED.items() if of == scope)

    def _why_not(self, measure: str, carrier: str, account: Period) -> str:
        given, roles = self.given, ENERGIES.get(measure)
        if roles is None:
            return _MISSING
        rows = energies(given.sources, given.site, account, given.as_of_utc)
        is_metered = any(each.role in roles and carrier in {"", each.carrier.value} for each in rows)
        return _MISSING if is_metered else "not_metered"

    def _estimated(self, period: Period, carrier: str) -> float | None:
        """Share of the purchased energy of a span that rests on estimated readings."""
        given = self.given
        rows = energies(given.sources, given.site, year_account(given, period), given.as_of_utc)
        mine = [
            each
            for each in rows
            if each.role == "purchased"
            and carrier in ("", each.carrier)
            and period.start <= each.start < period.end
            and each.kwh
        ]
        total = sum(each.kwh or 0 for each in mine)
        # Weighed by energy: an estimated day of standby is not as much as one at full load.
        return float(sum((each.kwh or 0) * each.estimated_share for each in mine) / total) if total else None
