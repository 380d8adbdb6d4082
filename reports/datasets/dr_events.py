"""An event of demand response: promise, course, shed by the rule and by the best method, approvals, commands."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from data_quality.contracts.baselines.event_baseline import EventInterval, MethodScore, SettledEvent
from data_quality.contracts.control.dr_event import DrEvent, Settlement
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence, Stored, sentences
from data_quality.contracts.time import Period, clock_of, local_day, span, zone
from reports.datasets.base import DayPoint, Item, Leaf, Measure, OfSite, ReportInput
from reports.recompute import dr_event as again
from reports.texts.locales import moment, page_word, unit_text

NAME = "dr_event"


def _kwh(label: str) -> Measure:
    return Measure(label, "kwh", whole="asked", decimals=1)


def _share(label: str) -> Measure:
    return Measure(label, "ratio", whole="asked", is_share=True)


MEASURES: Mapping[str, Measure] = {
    "target_kw": Measure("Target", "kw", whole="asked", decimals=1),
    "planned_kwh": _kwh("Expected by the plan"),
    "planned_low_kwh": _kwh("Expected by the plan, lower end"),
    "planned_high_kwh": _kwh("Expected by the plan, upper end"),
    "target_kwh": _kwh("Target over the event"),
    "baseline_kwh": _kwh("Baseline"),
    "actual_kwh": _kwh("Measured"),
    "shed_kwh": Measure("Shed", "kwh", made=("difference", ("baseline_kwh", "actual_kwh")), decimals=1),
    "low_kwh": _kwh("Shed, lower end"),
    "high_kwh": _kwh("Shed, upper end"),
    "target_percent": Measure(
        "Shed, share of the target", "percent", made=("percent_of", ("shed_kwh", "target_kwh")), decimals=0
    ),
    "best_kwh": _kwh("Baseline of the best method"),
    "rebound_kwh": _kwh("Rebound"),
    "ramp_added_kwh": _kwh("What the ramp before the event added to the baseline"),
    "least_kw": Measure("Least power shed", "kw", whole="asked", decimals=1),
    "income": Measure("Income", "currency", whole="asked", decimals=2),
    "penalty": Measure("Penalty", "currency", whole="asked", decimals=2),
    "net": Measure("Income less penalty", "currency", made=("difference", ("income", "penalty")), decimals=2),
    "n_days": Measure("Days measured", "days", whole="asked", decimals=0),
    "bias": _share("Bias"),
    "mae": _share("Error"),
    "rrmse": _share("RRMSE"),
    "coverage": _share("Days inside the interval"),
}
FACTS = (
    "name", "agreed", "by", "told", "is_proven", "ramp", "eligible", "use", "digest", "at", "until", "signed",
    "device", "value", "from", "to", "proof",
)  # fmt: skip
# Around an event, as its page shows it.
_AROUND = timedelta(hours=2)
# A number of a settlement differs from one made of the readings by float noise alone.
_SAME_KWH = Decimal("0.001")
_LINES = {"baseline_kwh": again.RULE, "best_kwh": again.BEST}


def day_of(event: DrEvent, time_zone: str) -> Period:
    """The local day of an event, which is the period of its report."""
    first = local_day(event.start_utc, time_zone)
    return span(first, first + timedelta(days=1), time_zone)


def shed_clause(shed_kwh: float, locale: str) -> str:
    """A clause about a shed of either sign, with `{shed}` where the template puts the figure without its sign."""
    sentence = "the event shed {0}" if shed_kwh >= 0 else "the meter used {0} more than the baseline"
    return page_word(Sentence(sentence, "{shed}"), locale)


class DrEventData(OfSite):
    """The dataset `dr_event`. Scopes: dr:<id> (settled by the rule), dr:<id>/best, a step dr:<id>/rule/3,
    dr:<id>/<method>.

    Raises BadInput (not_settled) for an event without a settlement.
    """

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        super().__init__(given)
        assert given.dr_event is not None  # noqa: S101 - the template's subject
        self.event = given.dr_event
        self.settled: Settlement = again.settlement_at(given.sources, self.event.event_id, given.as_of_utc)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Agreed terms; rule and best method; steps by the rule; methods, approvals and commands in their order."""
        if axis == "settled":
            titles = (
                (again.RULE, "Programme's rule", self.settled.rule),
                (again.BEST, "Best method", self.settled.best),
            )
            return [self._item(key, self._word(title), period) for key, title, found in titles if found is not None]
        if axis == "step":
            steps = self.settled.rule.intervals if self.settled.rule else ()
            return [
                self._item(f"{again.RULE}/{n}", self._clock(each.start_utc), period) for n, each in enumerate(steps)
            ]
        named = {
            "plan": [(str(n), label) for n, (label, _) in enumerate(self._agreed())],
            "method": [(each.name, each.name) for each in self.settled.methods],
            "approval": [(f"approval/{n}", text) for n, (text, *_) in enumerate(self._people())],
            "command": [(f"command/{n}", text) for n, (text, *_) in enumerate(self._commands())],
        }.get(axis)
        return None if named is None else [self._item(key, label, period) for key, label in named]

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the event, of its settlement, or of a part of it."""
        given, part = self.given, self._part(item)
        field, part = ("baseline_kwh", again.BEST) if measure == "best_kwh" else (measure, part)
        named = {"part": part, "field": field}
        value = again.number(given.sources, given.site, self.event.event_id, given.as_of_utc, **named)
        inputs = [again.event_input(self.event)]
        if field not in again.OF_EVENT:
            inputs.append(again.settlement_input(self.settled))
        if field == "actual_kwh":
            inputs += given.behind(item.period)
        return Leaf(
            value, "dr_event_number", {**given.span(item.period), "event": self.event.event_id, **named}, inputs,
            status="" if value is not None else "missing",
            unit=self.settled.currency if MEASURES[measure].unit == "currency" else "",
        )  # fmt: skip

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Words about a part of the event."""
        part = self._part(item)
        if name == "agreed":
            return self._agreed()[int(part)][1], "plain"
        kind, _, place = part.partition("/")
        if kind == "approval":
            row = dict(zip(("name", "by", "digest", "at", "until", "signed"), self._people()[int(place)], strict=True))
            return row.get(name, ""), "plain"
        if kind == "command":
            row = dict(
                zip(("name", "device", "value", "from", "to", "proof"), self._commands()[int(place)], strict=True)
            )
            return row.get(name, ""), "plain"
        found = again.part_of(self.settled, part or again.RULE)
        return self._of_score(name, found) if isinstance(found, MethodScore) else self._of_settled(name, found)

    def quarter_hours(self, measure: str, item: Item, *, has_band: bool) -> Sequence[tuple[str, DayPoint]]:
        """Mean kW of the quarter hours around the event, by local clock: measured, or a baseline in the event's own."""
        start, end = self._around()
        day = item.period.start
        steps = [start + n * again.STEP for n in range((end - start) // again.STEP)]
        if measure == "actual_kwh":
            known = again.quarters_kwh(self.given.sources, self.given.site, start, end, self.given.as_of_utc)
            points = [DayPoint(day, None if each is None else float(each) * 4) for each in known]
        else:
            lines = again.part_of(self.settled, _LINES[measure])
            found = {each.start_utc: each for each in lines.intervals} if isinstance(lines, SettledEvent) else {}
            points = [_point(day, found.get(each), has_band=has_band) for each in steps]
        return list(zip([self._clock(each) for each in steps], points, strict=True))

    def findings(self, period: Period) -> list[Finding]:
        """Findings of the settlement, a shed that is not proven, a ramp, and readings that changed since."""
        settled, scope = self.settled, self.given.scope
        found = [each.model_copy(update={"scope": scope}) for each in settled.findings]
        rule = settled.rule
        if rule is None or rule.shed_kwh is None:
            message = "The programme's rule has no baseline for this event: nothing is settled by it."
            return [*found, Finding(code="rule_without_baseline", message=message, severity="blocking", scope=scope)]
        if not rule.significant:
            message = Sentence(
                "The 90 % interval of the shed by {0} holds zero: the rule does not prove it.", rule.method
            )
            found.append(Finding(code="shed_not_proven", message=message, scope=scope))
        if rule.ramp_flag:
            message = "The load before the event was above what its own morning lets expect; the settlement keeps it."
            found.append(Finding(code="ramp_before_event", message=message, scope=scope))
        if not any(each.sent for each in self.event.commands):
            message = "No command was sent for this event: people switched its loads, or the mode sends nothing."
            found.append(Finding(code="no_command_sent", message=message, severity="info", scope=scope))
        measured = again.number(
            self.given.sources, self.given.site, self.event.event_id, self.given.as_of_utc,
            part=again.RULE, field="actual_kwh",
        )  # fmt: skip
        if measured is None or abs(measured - Decimal(repr(rule.actual_kwh or 0.0))) > _SAME_KWH:
            message = Sentence(
                "Readings of the event changed after version {0} of its settlement: meterloom dr event "
                "settle {1} makes the next one.",
                settled.version,
                self.event.event_id,
            )
            found.append(Finding(code="settlement_stale", message=message, severity="blocking", scope=scope))
        return found

    def _of_settled(self, name: str, found: EventInterval | None) -> tuple[str, Tone]:
        if not isinstance(found, SettledEvent):
            return "", "plain"
        if name == "is_proven":
            is_proven = found.significant and (found.shed_kwh or 0) > 0
            return self._word("yes" if is_proven else "no"), "good" if is_proven else "caution"
        if name == "ramp":
            return self._word("yes" if found.ramp_flag else "no"), "caution" if found.ramp_flag else "plain"
        if name == "told":
            return shed_clause(found.shed_kwh or 0.0, self.given.locale), "plain"
        return found.method, "plain"

    def _of_score(self, name: str, found: MethodScore) -> tuple[str, Tone]:
        if name == "eligible":
            return self._word("yes" if found.eligible else "no"), "plain" if found.eligible else "muted"
        if name == "use":
            is_rule = self.settled.rule is not None and self.settled.rule.method == found.name
            labels = [*(["Programme's rule"] if is_rule else []), *(["Best method"] if found.chosen else [])]
            return ", ".join(self._word(each) for each in labels), "plain"
        return found.name, "plain"

    def _agreed(self) -> list[tuple[str, str]]:
        """Promise and terms, by heading."""
        event, terms = self.event, self.settled.terms
        rule = terms.baseline if terms else (self.settled.rule.method if self.settled.rule else "")
        prices = "" if terms is None else (
            f"{terms.price_per_kwh:g} / kWh, {terms.price_per_kw:g} / kW; {terms.penalty_per_kwh:g} / kWh "
            f"< {terms.least_share:.0%} ({self.settled.currency})"
        )  # fmt: skip
        rows = [
            ("Programme", self._word(terms.title if terms else event.programme)),
            ("Event", event.event_id),
            ("Window", f"{self._moment(event.start_utc)} – {self._clock(event.end_utc)} ({self.given.site.time_zone})"),
            ("Target", f"{event.target_kw:g} kW"),
            ("Baseline rule", rule),
            ("Price and penalty", prices),
            ("Called", self._moment(event.told_utc)),
            ("Proposed by", self._who(event.proposed_by)),
            ("Armed by", self._who(event.armed_by)),
            ("Digest", event.digest),
            ("Settled", f"v{self.settled.version}, {self._who(self.settled.person_id)}"),
            ("Limits", self._word(sentences(event.plan.limit_texts)) if event.plan and event.plan.limit_texts else ""),
        ]
        return [(self._word(label), text) for label, text in rows if text]

    def _people(self) -> list[tuple[str, str, str, str, str, str]]:
        """Approvals: place, person, digest, when, until when, and what stands for a second person."""
        return [
            (
                str(n + 1), self._who(each.person_id), each.digest, self._moment(each.at_utc),
                self._moment(each.expires_utc), each.class_id or each.public_key[:16] or self._word("no key"),
            )
            for n, each in enumerate(self.event.approvals)
        ]  # fmt: skip

    def _commands(self) -> list[tuple[str, str, str, str, str, str]]:
        """Set-points with what became of them; of a load without a device the step that people switch."""
        event, titles = self.event, {each.load_id: each.title for each in self.given.site.sheddable_loads}
        made = [
            (
                titles.get(each.load, each.load), each.device_id, f"{each.value:g} {unit_text(each.unit)}",
                self._clock(each.from_utc), self._clock(each.ends_utc), self._word(each.outcome_text or "none sent"),
            )
            for each in event.commands
        ]  # fmt: skip
        steps = event.plan.steps if event.plan else ()
        by_hand = self._word("switched by people: none sent")
        return made + [
            (
                titles.get(each.load, each.load),
                "",
                f"−{each.kw:g} kW",
                self._clock(each.start_utc),
                self._clock(each.end_utc),
                by_hand,
            )
            for each in steps
            if each.load not in {one.load for one in event.commands}
        ]

    def _around(self) -> tuple[datetime, datetime]:
        """Two hours before and after the event, within its local day."""
        day = day_of(self.event, self.given.site.time_zone)
        return max(self.event.start_utc - _AROUND, day.start_utc), min(self.event.end_utc + _AROUND, day.end_utc)

    def _who(self, person_id: str) -> str:
        return self.given.person(person_id) if person_id else self._word("a machine")

    def _word(self, text: str) -> str:
        return page_word(text if isinstance(text, Sentence | Stored) else Sentence(text), self.given.locale)

    def _clock(self, at: datetime) -> str:
        return clock_of(at.astimezone(zone(self.given.site.time_zone)))

    def _moment(self, at: datetime) -> str:
        return moment(at.astimezone(zone(self.given.site.time_zone)), self.given.locale)

    def _part(self, item: Item) -> str:
        return item.scope.partition("/")[2]

    def _item(self, part: str, label: str, period: Period) -> Item:
        # By the rule is the event itself: its figures stand once.
        scope = f"dr:{self.event.event_id}" + ("" if part == again.RULE else f"/{part}")
        return Item(key=part, label=label, scope=scope, period=period)


def _point(day: date, found: EventInterval | None, *, has_band: bool) -> DayPoint:
    if found is None or found.baseline_kwh is None:
        return DayPoint(day, None)
    per_hour = timedelta(hours=1) / (found.end_utc - found.start_utc)
    if not has_band or found.interval_kwh is None or found.actual_kwh is None:
        return DayPoint(day, found.baseline_kwh * per_hour)
    low, high = ((found.actual_kwh + each) * per_hour for each in found.interval_kwh)
    # A picture needs no exact digits.
    return DayPoint(day, found.baseline_kwh * per_hour, round(low, 3), round(high, 3))
