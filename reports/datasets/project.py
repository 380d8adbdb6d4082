"""M&V projects: the plan, what was saved with its band, the adjustments, and the numbers of the project's baseline."""

from collections.abc import Mapping, Sequence
from datetime import date

from assets.kpi.claims.comparison_group import EXPLAINED, LEFT_OUT, TOO_SMALL
from assets.kpi.claims.mv_savings import ProjectSavings, missing_of, project_of, project_use
from assets.kpi.enpi.enpi_result import EnpiRule
from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.baselines.baseline import AdjustmentRecord, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.time import Period
from reports.datasets.base import DayPoint, Item, Leaf, Measure, OfSite, ReportInput
from reports.datasets.day_lines import day_points
from reports.datasets.enpi import BASELINE_MEASURES, band_measures, baseline_leaf, version_fact
from reports.datasets.enpi_findings import baseline_findings
from reports.recompute.claims import project_saving_blocker
from reports.recompute.computations import baseline_input
from reports.recompute.group import OF_MEMBERS, member_inputs, member_label
from reports.recompute.project import GROUPED, PLANNED, days, number, result
from reports.texts.locales import days_of, word
from reports.texts.mv_plan import plan_rows
from reports.writer import on_day, words

NAME = "project"
# Avoided energy is expected less actual (IPMVP), the opposite of an EnPI's difference.
_PARTS = ("expected_kwh", "actual_kwh")
_CORRECTED = ("corrected_kwh", "corrected_uncertainty_kwh")
# Read as they are, never as sums of months: a month before the measure has no day that is reported.
MEASURES: Mapping[str, Measure] = {
    "actual_kwh": Measure("Actual, comparable days", "kwh", whole="asked"),
    "expected_kwh": Measure("Adjusted baseline", "kwh", whole="asked"),
    "routine_kwh": Measure("Routine adjustments", "kwh", whole="asked"),
    "non_routine_kwh": Measure("Non-routine adjustments", "kwh", whole="asked"),
    "adjusted_kwh": Measure("What the adjustment added", "kwh", whole="asked"),
    "adjustment_kwh": Measure("Adjustments", "kwh", made=("sum", ("routine_kwh", "non_routine_kwh"))),
    "model_kwh": Measure("Expected by the model alone", "kwh", made=("difference", ("expected_kwh", "adjustment_kwh"))),
    "days": Measure("Days of the reporting period", "days", whole="asked", decimals=0),
    "compared_days": Measure("Days compared", "days", whole="asked", decimals=0),
    "uncertainty_kwh": Measure("Uncertainty of the model, ±", "kwh", whole="asked"),
    "claimed_kwh": Measure("Claimed", "kwh", whole="asked", is_claim=True),
    "savings_kwh": Measure("Avoided energy", "kwh", made=("difference", _PARTS), is_claim=True),
    "delta_kwh": Measure("Actual less expected", "kwh", made=("difference", tuple(reversed(_PARTS)))),
    "savings_percent": Measure(
        "Avoided energy, share of expected",
        "percent",
        made=("percent_of", ("savings_kwh", "expected_kwh")),
        decimals=1,
        is_claim=True,
    ),
    **band_measures("Avoided energy"),
    "confidence": Measure("Confidence of the band", "ratio", whole="asked", is_share=True),
    "shift_kwh": Measure("What the comparison group added", "kwh", whole="asked"),
    "corrected_kwh": Measure("Avoided energy against the comparison group", "kwh", whole="asked", is_claim=True),
    "corrected_uncertainty_kwh": Measure("Uncertainty of model and group, ±", "kwh", whole="asked"),
    "corrected_low_kwh": Measure("Against the group, lower end", "kwh", made=("difference", _CORRECTED), is_claim=True),
    "corrected_high_kwh": Measure("Against the group, upper end", "kwh", made=("sum", _CORRECTED), is_claim=True),
    "corrected_claimed_kwh": Measure("Claimed against the comparison group", "kwh", whole="asked", is_claim=True),
    "members": Measure("Members compared", "count", whole="asked", decimals=0),
    "group_percent": Measure("Below expected, mean of the comparison group", "percent", whole="asked", decimals=1),
    "group_spread_percent": Measure("Spread of the comparison group", "percent", whole="asked", decimals=1),
    "member_percent": Measure("Below expected, a member without a measure", "percent", whole="asked", decimals=1),
    "member_uncertainty_percent": Measure("Uncertainty of a member's model, ±", "percent", whole="asked", decimals=1),
    "detectable_kwh": Measure("Smallest detectable saving", "kwh", whole="asked"),
    "detectable_percent": Measure("Smallest saving, share of the baseline", "percent", whole="asked", decimals=1),
    **BASELINE_MEASURES,
}
_BASELINE_FACTS = ("baseline", "model", "trained", "approval", "digest")
_ADJUSTMENT_FACTS = ("kind", "days_adjusted", "amount", "reason", "method", "evidence", "proposed", "approved")
FACTS = ("name", "verdict", "agreed", "term", "member", *_BASELINE_FACTS, *_ADJUSTMENT_FACTS)


class ProjectData(OfSite):
    """The dataset `project`. Scopes: project:<id>, project:<id>/<coefficient or adjustment or field of the plan>."""

    measures = MEASURES

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Projects; and of each, what was agreed, its adjustments, the coefficients of its baseline and, as `site`, the
        members of its comparison group.
        """
        if axis == "project":
            return [self._item(each, "", each.name, period) for each in self._projects()]
        if axis not in {"plan", "adjustment", "coefficient", "baseline", "site"}:
            return None
        if axis in {"coefficient", "baseline", "site"} and self.given.project is None:
            # In a report about a site these are those of its uses, in one of an organisation its sites.
            return None
        return [item for project in self._projects() for item in self._parts(axis, project, period)]

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the project over the days of the item's span that it reports, or of its baseline."""
        given = self.given
        project, part = self._project(item.scope)
        version = given.project_versions.get(project.project_id)
        if measure in BASELINE_MEASURES:
            return baseline_leaf(version, measure, part)
        named = {
            **given.span(item.period),
            "project": project.project_id,
            "field": measure,
            "adjustment": part if measure == "adjusted_kwh" else "",
            "status": "" if version is None else version.status.value,
            **({"member": part} if measure in OF_MEMBERS else {}),
        }
        if version is None:
            return Leaf(None, "project_number", named, [], status="no_baseline")
        value = number(
            given.sources, given.site, project.project_id, version, item.period, given.as_of_utc,
            field=measure, adjustment_id=named["adjustment"], member=named.get("member", ""),
        )  # fmt: skip
        if measure in PLANNED:
            return Leaf(value, "project_number", named, [given.sources.site_input(given.site), baseline_input(version)])
        adjusted = given.sources.adjustments_input(version.baseline_id, version.version, given.as_of_utc)
        return Leaf(
            value=value,
            computation="project_number",
            parameters=named,
            inputs=[
                *given.behind(item.period),
                baseline_input(version),
                adjusted,
                *self._members(measure, project, item),
            ],
            status="" if value is not None else self._why_not(measure, project, version, item.period, part),
        )

    def _members(self, measure: str, project: MvProject, item: Item) -> list[TraceInput]:
        """Inputs of the comparison group's numbers beside the project's own."""
        # What is claimed rests on the group too: it may explain the saving.
        if measure not in (*GROUPED, "claimed_kwh") or not project.comparison_group:
            return []
        return member_inputs(self.given.sources, project, item.period, self.given.as_of_utc)

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Text of an agreement, of an adjustment, whether the saving stands."""
        project, part = self._project(item.scope)
        version = self.given.project_versions.get(project.project_id)
        if name == "name":
            return item.label, "plain"
        if name == "member":
            return self._member_state(project, version, part, item.period)
        if name == "agreed":
            return next((text for key, _, text in self._plan(project) if key == part), ""), "plain"
        if name == "term":
            return Sentence(part) if part == "intercept" else part, "plain"
        if name in _BASELINE_FACTS:
            return version_fact(name, version, self.given), "plain"
        if name == "verdict":
            return self._verdict(project, version, item.period)
        record = next((each for each in self._records(project) if each.adjustment_id == part), None)
        return ("" if record is None else _adjustment_text(name, record, self.given)), "plain"

    def days(self, measure: str, item: Item, *, is_running: bool, has_band: bool) -> Sequence[DayPoint]:
        """Compared days of the project; no running saving where none may be claimed."""
        given = self.given
        project, _ = self._project(item.scope)
        version = given.project_versions.get(project.project_id)
        if version is None or (is_running and self.barred(item)):
            return []
        return day_points(
            days(given.sources, given.site, project, version, item.period, given.as_of_utc),
            version,
            measure,
            period=item.period,
            rule=EnpiRule(),
            confidence=project.plan.confidence,
            is_running=is_running,
            has_band=has_band,
        )

    def findings(self, period: Period) -> list[Finding]:
        """Findings of the savings of each project, and what its plan leaves open."""
        return [each for project in self._projects() for each in self._findings(project, period)]

    def barred(self, item: Item) -> str:
        """Code of what forbids to claim a saving of the project up to the item's end; empty where nothing does."""
        project, _ = self._project(item.scope)
        version = self.given.project_versions.get(project.project_id)
        return "" if version is None else next((each.code for each in self._bars(project, version, item.period)), "")

    def _bars(self, project: MvProject, version: BaselineVersion, period: Period) -> list[Finding]:
        """Reason against a claim over the days of a span that the project reports; nothing where it reports none."""
        made = result(self.given.sources, self.given.site, project, version, period, self.given.as_of_utc)
        if isinstance(made, Finding):
            return []
        every = (*self._against(project, version, period.end), *made.findings)
        return [each for each in every if each.is_blocking]

    def _against(self, project: MvProject, version: BaselineVersion, end: date) -> tuple[Finding, ...]:
        given = self.given
        return project_saving_blocker(given.sources, given.site, project, version, end=end, as_of_utc=given.as_of_utc)

    def _findings(self, project: MvProject, period: Period) -> list[Finding]:
        given, scope = self.given, f"project:{project.project_id}"
        version, found = given.project_versions.get(project.project_id), list[Finding]()
        missing = missing_of(project)
        if missing:
            message = Sentence(
                "{0}: the plan says nothing about {1}.",
                project.name,
                sentences([Sentence(each.replace("_", " ")) for each in missing], ", "),
            )
            found.append(Finding(code="plan_incomplete", message=message, scope=scope))
        if version is None:
            message = Sentence("{0} has no baseline: fit one and let another person approve it.", project.name)
            return [*found, Finding(code="no_baseline", message=message, severity="blocking", scope=scope)]
        made = result(given.sources, given.site, project, version, period, given.as_of_utc)
        own = (made,) if isinstance(made, Finding) else made.findings
        found += [
            each.model_copy(
                update={
                    "scope": scope,
                    "message": Sentence("{0}: {1}", project.name, each.message),
                }
            )
            for each in own
        ]
        found += self._against(project, version, period.end)
        is_barred = bool(self._bars(project, version, period))
        # Not known counts as not significant.
        if not isinstance(made, Finding) and made.is_significant is not True and not is_barred:
            message = Sentence("{0}: the saving does not exceed its uncertainty, so nothing is claimed.", project.name)
            found.append(Finding(code="not_significant", message=message, scope=scope))
        return found + baseline_findings(project.name, version, scope)

    def _verdict(self, project: MvProject, version: BaselineVersion | None, period: Period) -> tuple[str, Tone]:
        if version is None:
            return word("no baseline", self.given.locale), "muted"
        given, locale = self.given, self.given.locale
        made = result(given.sources, given.site, project, version, period, given.as_of_utc)
        if isinstance(made, Finding):
            return word(words(made.code), locale), "muted"
        bars = self._bars(project, version, period)
        if bars:
            return f"{word('not claimed', locale)}: {word(words(bars[0].code), locale)}", "bad"
        if made.is_significant is not True:
            return word("not significant", locale), "caution"
        if any(each.code == EXPLAINED for each in made.findings):
            return f"{word('not claimed', locale)}: {word(words(EXPLAINED), locale)}", "caution"
        # Significant the other way is an increase, and is said as loudly.
        is_saving = made.claimed_kwh is not None
        text = "significant, claimed" if is_saving else "significant increase of use"
        return word(text, locale), "good" if is_saving else "bad"

    def _member_state(
        self, project: MvProject, version: BaselineVersion | None, member: str, period: Period
    ) -> tuple[str, Tone]:
        """Compared, or why a member of the comparison group is not."""
        given, locale = self.given, self.given.locale
        made = None if version is None else result(given.sources, given.site, project, version, period, given.as_of_utc)
        if made is None or isinstance(made, Finding):
            return word("no baseline" if made is None else words(made.code), locale), "muted"
        out = _left_out(made, member)
        return word(words(out) if out else "compared", locale), "caution" if out else "plain"

    def _why_not(self, measure: str, project: MvProject, version: BaselineVersion, period: Period, part: str) -> str:
        made = result(self.given.sources, self.given.site, project, version, period, self.given.as_of_utc)
        if isinstance(made, Finding):
            return made.code
        if measure in GROUPED and not project.comparison_group:
            return "no_comparison_group"
        if measure in GROUPED and (out := _left_out(made, part)):
            return out
        return "not_claimed" if measure in ("claimed_kwh", "corrected_claimed_kwh") else "missing"

    def _parts(self, axis: str, project: MvProject, period: Period) -> list[Item]:
        version = self.given.project_versions.get(project.project_id)
        if axis == "plan":
            return [self._item(project, key, label, period) for key, label, _ in self._plan(project)]
        if axis == "adjustment":
            records = self._records(project)
            return [self._item(project, each.adjustment_id, each.adjustment_id, period) for each in records]
        given, members = self.given, dict.fromkeys(project.comparison_group)
        if version is None:
            return []
        if axis == "baseline":
            return [self._item(project, "", project.name, period)]
        if axis == "site":
            return [self._item(project, each, member_label(given.sources, each), period) for each in members]
        return [self._item(project, each.name, project.name, period) for each in version.baseline.coefficients]

    def _plan(self, project: MvProject) -> list[tuple[str, str, str]]:
        version = self.given.project_versions.get(project.project_id)
        return plan_rows(
            project,
            project_use(self.given.site, project),
            self.given.site,
            version,
            self.given.locale,
            self.given.names,
        )

    def _records(self, project: MvProject) -> list[AdjustmentRecord]:
        """Adjustments that stand in the expectation, with who proposed and who approved them."""
        given, version = self.given, self.given.project_versions.get(project.project_id)
        if version is None:
            return []
        store = AdjustmentStore(given.sources.lake.store)
        # Those in force: the ledger also has proposals and withdrawn ones, which moved nothing.
        held = given.sources.adjustments(version.baseline_id, version.version, given.as_of_utc)
        named = {each.adjustment_id for each in held}
        records = store.records(baseline_id=version.baseline_id, as_of_utc=given.as_of_utc)
        return [each for each in records if each.adjustment_id in named]

    def _item(self, project: MvProject, part: str, label: str, period: Period) -> Item:
        key = f"{project.project_id}/{part}" if part else project.project_id
        return Item(key=key, label=label, scope=f"project:{key}", period=period)

    def _projects(self) -> list[MvProject]:
        return [self.given.project] if self.given.project is not None else list(self.given.site.projects)

    def _project(self, scope: str) -> tuple[MvProject, str]:
        name, _, part = scope.removeprefix("project:").partition("/")
        return project_of(self.given.site, name), part


def _left_out(made: ProjectSavings, member: str) -> str:
    """Reason code of a member left out of the comparison group, or of the whole group (no member named); else empty."""
    matching = [each for each in made.findings if not member or each.scope == f"member:{member}"]
    return next((each.code for each in matching if each.code in {TOO_SMALL, *LEFT_OUT}), "")


def _adjustment_text(name: str, record: AdjustmentRecord, given: ReportInput) -> str:
    each = record.adjustment
    if name == "amount":
        if each.kwh_per_day is None:
            return Sentence("{0} %", Numeral(f"{each.percent:+f}"))
        return Sentence("{0} kWh/day", Numeral(f"{each.kwh_per_day:+f}"))
    if name == "days_adjusted":
        return Sentence("{0}", days_of(each.start, each.end))
    if name == "proposed":
        return on_day(given.person(record.proposed_by), record.proposed_at_utc)
    if name == "approved":
        at = record.approved_at_utc
        return "" if at is None else on_day(given.person(record.approved_by or ""), at)
    text = str(getattr(each, name))
    return Sentence(text.replace("_", " ")) if name == "kind" else text
