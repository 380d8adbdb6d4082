"""The M&V plan in words: every field of formulas 5.2 with its heading; what is not agreed says so."""

from collections.abc import Mapping

from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.people import person_text
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, Site
from reports.texts.locales import days_of, page_word, word
from reports.writer import term_words, words

OPTIONS = {
    "B": "B: all parameters measured at the boundary of the measure",
    "C": "C: the whole facility, or a submeter that holds more than the measure",
}
NOT_AGREED, NOT_FITTED = "not agreed", "none is fitted yet"


def plan_rows(
    project: MvProject, use: Seu, site: Site, version: BaselineVersion | None, locale: str, names: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """(key, heading, text) of each field, in the order in which a plan is read. Days are local."""
    plan = project.plan
    start, end = project.baseline_period
    first, after = project.reporting_period
    static = [
        *plan.static_factors,
        *(Sentence("{0}: {1} (from {2})", f.name, f.value, f.valid_from) for f in use.static_factors),
    ]
    texts = [
        ("boundary", "Measurement boundary", project.boundary),
        ("option", "IPMVP option", OPTIONS.get(project.option, project.option)),
        ("meters", "Meters", ", ".join(map(site.stream_name, use.meters))),
        ("baseline_period", "Baseline period", Sentence("{0}", days_of(start, end))),
        (
            "installation",
            "Installation",
            Sentence("{0}", days_of(project.installation_start, project.installation_end)),
        ),
        ("reporting_period", "Reporting period", Sentence("{0}", days_of(first, after))),
        ("model", "Model", _model(version, site)),
        ("baseline", "Baseline version", _baseline(version, names)),
        (
            "drivers",
            "Drivers and why",
            "; ".join(f"{site.stream_name(each.driver_id)}: {each.justification}" for each in use.drivers),
        ),
        ("static_factors", "Static factors", sentences(static) if static else ""),
        ("accuracy_profile", "Accuracy profile", plan.accuracy_profile),
        (
            "uncertainty",
            "Uncertainty",
            Sentence("{0}, at {1}", Sentence(plan.uncertainty_method), Numeral(f"{plan.confidence:.0%}")),
        ),
        ("interactive_effects", "Interactive effects", project.interactive_effects.replace("_", " ")),
        ("non_routine_procedure", "Non-routine events", plan.non_routine_procedure),
        ("responsible", "Responsible", ", ".join(plan.responsible)),
        ("price_basis", "Price basis", plan.price_basis),
        ("report_format", "Report", plan.report_format),
        # Only where one is named: a plan without it lacks nothing.
        *(
            [("comparison_group", "Comparison group", ", ".join(project.comparison_group))]
            * bool(project.comparison_group)
        ),
    ]
    return [(key, word(heading, locale), page_word(text or NOT_AGREED, locale)) for key, heading, text in texts]


def _model(version: BaselineVersion | None, site: Site) -> str:
    if version is None:
        return NOT_FITTED
    baseline = version.baseline
    on = sentences([term_words(each, site) for each in baseline.feature_order], ", ") or Sentence("a constant")
    return Sentence("{0}: kWh of a local day on {1}", Sentence(words(baseline.model)), on)


def _baseline(version: BaselineVersion | None, names: Mapping[str, str]) -> str:
    if version is None:
        return NOT_FITTED
    fitted, approved = (
        each and person_text(each, names.get(each)) for each in (version.fitted_by, version.approved_by)
    )
    who = Sentence("approved by {0}", approved) if approved else Sentence("not approved")
    return Sentence("{0}, fitted by {1}, {2}", Sentence("Version {0}", version.version), fitted, who)
