"""Anomaly events of a site as they are stored: energy, cost, likely cause, and what people did about them."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.anomaly_event import CAUSE_TITLES, KIND_TITLES, AnomalyEvent, AnomalyLabel
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, FindingEvent, FindingState, state_after
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period, last_local_day, local_day, span, zone
from reports.datasets.base import Item, Leaf, Measure, ReportInput
from reports.recompute import event as again
from reports.texts.locales import moment, named

NAME = "anomalies"
MEASURES: Mapping[str, Measure] = {
    "events": Measure("Events", "count", whole="asked", decimals=0),
    "measured_kwh": Measure("Measured", "kwh", whole="asked"),
    "expected_kwh": Measure("Usual", "kwh", whole="asked"),
    "kwh": Measure("Measured less usual", "kwh", whole="asked"),
    "cost": Measure("Cost of the difference", "currency", whole="asked", decimals=2),
}
FACTS = ("meter", "kind", "cause", "begin", "end", "severity", "state", "reason", "id")
_SUMMED = ("kwh", "cost")
_TONES: Mapping[FindingState, Tone] = {
    "open": "bad", "acknowledged": "caution", "muted": "muted", "explained": "good", "closed": "good",
}  # fmt: skip


class AnomalyData:
    """The dataset `anomalies`. Scopes: event:<id>; the site's sums are made of the events that begin in a span."""

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        self.given = given
        self.events = again.events_of(given.sources, given.site.site_id, given.as_of_utc)
        self._by_id = {each.event_id: each for each in self.events}

    @cached_property
    def _acts(self) -> dict[str, list[FindingEvent]]:
        given = self.given
        return AlertEvents(given.sources.lake.store).of_site(given.site.site_id, as_of_utc=given.as_of_utc)

    @cached_property
    def _labels(self) -> dict[str, AnomalyLabel]:
        given = self.given
        return AnomalyLedger(given.sources.lake.store).labels(given.site.site_id, as_of_utc=given.as_of_utc)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Events that begin in the span, by time."""
        return [self._item(each) for each in again.events_in(self.events, period)] if axis == "event" else None

    def item(self, event_id: str) -> Item | None:
        """A stored event as an item; None for one that there is not."""
        event = self._by_id.get(event_id)
        return None if event is None else self._item(event)

    def parts(self, measure: str, item: Item) -> list[Item] | None:
        """The events that a site's sum is made of: those that have the number. None for what is read as it is."""
        if item.scope.startswith("event:") or measure not in _SUMMED:
            return None
        found = again.events_in(self.events, item.period)
        return [self._item(each) for each in found if again.event_number(each, measure) is not None]

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of an event, or how many there are."""
        given = self.given
        if not item.scope.startswith("event:"):
            found = again.events_in(self.events, item.period)
            counted = again.events_input(given.sources, given.site.site_id, item.period, given.as_of_utc)
            inputs = [counted, given.sources.site_input(given.site)]
            return Leaf(Decimal(len(found)), "event_count", given.span(item.period), inputs)
        event = self._event(item)
        value = again.event_number(event, measure)
        return Leaf(
            value=value,
            computation="event_number",
            parameters={**given.span(item.period), "event": event.event_id, "field": measure},
            inputs=[again.event_input(event), *given.behind(item.period)],
            status="" if value is not None else (event.cost_finding or "not_energy"),
            unit=event.currency if MEASURES[measure].unit == "currency" else "",
        )

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Kind, cause, times and state of an event; what is ours is a sentence, worded by who shows it."""
        event = self._event(item)
        acts = self._acts.get(event.event_id, [])
        state, last = state_after(acts, at_utc=event.end_utc, now_utc=self.given.as_of_utc)
        if name == "state":
            return Sentence(state), _TONES.get(state, "plain")
        if name == "reason":
            return (f"{self.given.person(last.person_id)}: {last.reason}" if last else ""), "plain"
        if name == "cause":
            return self._cause(event), "plain"
        local = zone(self.given.site.time_zone)
        facts = {
            "meter": self._meter(event),
            "kind": Sentence(KIND_TITLES.get(event.kind, event.kind.replace("_", " "))),
            "begin": moment(event.start_utc.astimezone(local), self.given.locale),
            "end": moment(event.end_utc.astimezone(local), self.given.locale),
            "severity": Sentence(SEVERITY_WORDS[event.severity]), "id": event.event_id,
        }  # fmt: skip
        return facts[name], "plain"

    def findings(self, period: Period) -> list[Finding]:
        """No event at all, events without cost, and costly ones that nobody took care of."""
        mine, found = again.events_in(self.events, period), []
        if not mine:
            found.append(self._none(period))
        unpriced = [each for each in mine if each.cost is None]
        if unpriced:
            reasons = sorted({each.cost_finding or "not_energy" for each in unpriced})
            message = "Some events have no cost; they are in no sum of costs."
            facts: dict[str, str | int] = {"events": len(unpriced), "reasons": ", ".join(reasons).replace("_", " ")}
            found.append(Finding(code="events_without_cost", message=message, severity="info", facts=facts))
        costly = [e for e in mine if e.severity <= 2 and self.fact("state", self._item(e))[0] == "open"]
        if costly:
            found.append(
                Finding(
                    code="open_events",
                    message="Events of high severity are open: nobody acknowledged or explained them.",
                    facts={"events": len(costly)},
                )
            )
        return found

    def _none(self, period: Period) -> Finding:
        if self.events:
            return Finding(code="no_events", message=Sentence("No event begins in {0}.", period.label), severity="info")
        return Finding(
            code="not_scored",
            message=Sentence(
                "No event of the site is stored: its meters may never have been judged (meterloom anomalies "
                "--site {0} --period {1}).",
                self.given.site.site_id,
                period.label,
            ),
        )

    def _event(self, item: Item) -> AnomalyEvent:
        return self._by_id[item.scope.removeprefix("event:")]

    def _meter(self, event: AnomalyEvent) -> str:
        meter = self.given.site.meter(event.meter_id)
        return (meter.name if meter is not None else "") or event.meter_id

    def _cause(self, event: AnomalyEvent) -> str:
        label = self._labels.get(event.event_id)
        if label is not None:
            person = named(self.given.person(label.person_id))
            return Sentence("{0} (according to {1})", Sentence(CAUSE_TITLES[label.cause]), person)
        cause = Sentence(CAUSE_TITLES[event.cause or "unknown"])
        return cause if event.confidence is None else Sentence("{0} ({1} %)", cause, f"{100 * event.confidence:.0f}")

    def _item(self, event: AnomalyEvent) -> Item:
        here = self.given.site.time_zone
        first, last = local_day(event.start_utc, here), last_local_day(event.end_utc, here)
        return Item(
            key=event.event_id,
            label=f"{self._meter(event)}, {first}",
            scope=f"event:{event.event_id}",
            period=span(first, last + timedelta(days=1), here),
        )
