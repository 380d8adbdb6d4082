"""An experiment: the drawn days with cost and plan, both arms, the saving with its band at each look, the verdict."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from assets.experiments.saving import Saving
from assets.stores.schema.tables_control import mode_events
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.experiment import Experiment
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period, last_local_day, local_day, span, zone
from reports.datasets.base import DayPoint, Item, Leaf, Measure, OfSite, ReportInput
from reports.recompute import experiment as again
from reports.texts.locales import long_date, moment, page_word

NAME = "experiment"


def _money(label: str, *, is_claim: bool = False) -> Measure:
    return Measure(label, "currency", whole="asked", decimals=2, is_claim=is_claim)


MEASURES: Mapping[str, Measure] = {
    "saving": _money("Saving a day", is_claim=True),
    "low": _money("Saving a day, lower end", is_claim=True),
    "high": _money("Saving a day, upper end", is_claim=True),
    "mean_cost": _money("Mean cost of a day that counts"),
    "cost": _money("Cost of the day"),
    "days": Measure("Days that count", "days", whole="asked", decimals=0),
}
FACTS = ("name", "verdict", "adjusted", "until", "spans", "arm", "followed", "counts", "plan", "why", "design")
_ARMS = {"plan": "by plan", "habit": "by habit"}
_VERDICTS: Mapping[str, tuple[str, Tone]] = {
    "saves": ("control saves money", "good"),
    "costs": ("control costs money", "bad"),
    "undecided": ("no significant difference", "caution"),
}


def days_of(experiment: Experiment, time_zone: str) -> Period:
    """The local days of an experiment, which are the period of its report."""
    last = last_local_day(experiment.end_utc, time_zone)
    return span(local_day(experiment.start_utc, time_zone), last + timedelta(days=1), time_zone)


class ExperimentData(OfSite):
    """The dataset `experiment`. Scopes: experiment:<id>, and below it plan, habit, look/N and day/N."""

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        super().__init__(given)
        assert given.experiment is not None  # noqa: S101 - the template's subject
        self.experiment = given.experiment
        self.record = again.experiment_at(given.sources, given.site, self.experiment.experiment_id, given.as_of_utc)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Both arms; looks; drawn days; the terms of the design, in their order."""
        looks = self.record.saving.looks if isinstance(self.record.saving, Saving) else ()
        named = {
            "arm": [(key, self._word(title)) for key, title in _ARMS.items()],
            "look": [(f"look/{n}", self._day(each.until_utc - timedelta(seconds=1))) for n, each in enumerate(looks)],
            "drawn": [(f"day/{n}", self._day(each.start_utc)) for n, each in enumerate(self.record.days)],
            "plan": [(f"term/{n}", label) for n, (label, _) in enumerate(self._terms())],
        }.get(axis)
        return None if named is None else [
            Item(key=key, label=label, scope=f"experiment:{self.experiment.experiment_id}/{key}", period=period)
            for key, label in named
        ]  # fmt: skip

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the experiment or of a part of it."""
        given, named = self.given, {"part": item.scope.partition("/")[2], "field": measure}
        value = again.number(self.record, **named)
        return Leaf(
            value, "experiment_number",
            {**given.span(item.period), "experiment": self.experiment.experiment_id, **named},
            [again.experiment_input(self.record), *given.behind(item.period)],
            status="" if value is not None else "missing",
        )  # fmt: skip

    def barred(self, item: Item) -> str:
        """Code of the bar to a claim, where the mode sent nothing; else empty."""
        return "nothing_sent" if self._is_unsent else ""

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Words about the experiment or a part of it."""
        kind, _, place = item.scope.partition("/")[2].partition("/")
        found = self.record.saving
        if name == "design":
            return self._terms()[int(place)][1], "plain"
        if kind == "day":
            return self._of_day(name, int(place)), "plain"
        if not isinstance(found, Saving):
            return self._word("insufficient"), "caution"
        if kind == "look":
            look = found.looks[int(place)]
            return f"{look.plan_spans} + {look.habit_spans}", "plain"
        if name == "verdict" and self._is_unsent:
            return self._word("insufficient"), "caution"
        if name == "verdict":
            verdict, tone = _VERDICTS[found.verdict]
            return self._word(verdict), tone
        return ", ".join(found.adjusted_for) or "–", "plain"

    def days(self, measure: str, item: Item, *, is_running: bool, has_band: bool) -> Sequence[DayPoint]:
        """The saving by each look, with its band, from its day on; no other measure is drawn by day."""
        found = self.record.saving
        if measure != "saving" or self._is_unsent or not isinstance(found, Saving):
            return []
        looks = [(last_local_day(each.until_utc, self.given.site.time_zone), each) for each in found.looks]
        ends = [at for at, _ in looks[1:]] + [item.period.end]
        return [
            DayPoint(at + timedelta(days=n), look.saving, *look.interval)
            for (at, look), end in zip(looks, ends, strict=True)
            for n in range((end - at).days)
        ]

    def findings(self, period: Period) -> list[Finding]:
        """Findings on a saving not yet known, days that do not count, and an experiment in which nothing was sent."""
        found, scope = list[Finding](), self.given.scope
        if isinstance(self.record.saving, Finding):
            found.append(self.record.saving.model_copy(update={"severity": "blocking", "scope": scope}))
        left_out = sum(not day.is_compared for day in self.record.days)
        if left_out:
            message: str = Sentence(
                "{0} of {1} drawn days count for neither arm; the table says why.", left_out, len(self.record.days)
            )
            found.append(Finding(code="days_left_out", message=message, severity="info", scope=scope))
        if self._is_unsent:
            message = "In some of the time the mode sent nothing: what the meters then show is no arm's doing."
            found.append(Finding(code="nothing_sent", message=message, severity="blocking", scope=scope))
        return found

    @cached_property
    def _is_unsent(self) -> bool:
        """True where the site's mode was below PARTIAL at some time of the experiment."""
        table, end_utc = mode_events, min(self.experiment.end_utc, self.record.until_utc)
        own = (table.c.site_id == self.experiment.site_id) & (table.c.device_id == "")
        rows = self.given.sources.lake.store.rows(
            table.select().where(own & (table.c.recorded_at_utc <= end_utc)).order_by(table.c.recorded_at_utc)
        )
        before = [row for row in rows if row["recorded_at_utc"] <= self.experiment.start_utc]
        during = [row for row in rows if row["recorded_at_utc"] > self.experiment.start_utc]
        first = before[-1]["mode"] if before else Mode.SIMULATION.name
        ends = [row["expires_utc"] for row in (*before[-1:], *during) if row["expires_utc"] is not None]
        modes = [first, *(row["mode"] for row in during)]
        return any(Mode[each.upper()] < Mode.PARTIAL for each in modes) or any(each < end_utc for each in ends)

    def _of_day(self, name: str, place: int) -> str:
        day = self.record.days[place]
        if name == "counts":
            return self._word("yes" if day.is_compared else "no")
        if name == "followed":
            return self._word(_ARMS[day.followed]) if day.followed else "–"
        return {"arm": self._word(_ARMS[day.arm]), "plan": day.plan_id[:16] or "–", "why": day.why or "–"}[name]

    def _terms(self) -> list[tuple[str, str]]:
        made, habit = self.experiment, sum(one.arm == "habit" for one in self.experiment.spans)
        start = next((act for act in self.record.acts if act.act == "start"), None)
        stop = next((act for act in self.record.acts if act.act == "stop"), None)
        rows = [
            ("Experiment", made.experiment_id),
            ("Seed of the draw", str(made.seed)),
            ("Days by habit", f"{habit} / {len(made.spans)}"),
            ("Started by", "" if start is None else f"{self.given.person(start.person_id)}: {start.reason}"),
            ("Stopped by", "" if stop is None else f"{self.given.person(stop.person_id)}: {stop.reason}"),
        ]
        return [(self._word(label), text) for label, text in rows if text]

    def _word(self, text: str) -> str:
        return page_word(Sentence(text), self.given.locale)

    def _day(self, at: datetime) -> str:
        local = at.astimezone(zone(self.given.site.time_zone))
        return (
            moment(local, self.given.locale)
            if self.experiment.half_days
            else long_date(local.date(), self.given.locale)
        )
