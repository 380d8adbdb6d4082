"""A version of a baseline as its approver sees it: against the version in force, its findings, and the decision."""

from collections.abc import Mapping, Sequence

from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.people import person_text
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day
from reports.pages.address import Address
from reports.pages.energy_uses import BASELINES, ENPI, use_address, version_address
from reports.pages.page import Choice as Picker
from reports.pages.page import Form, Input, Option, Page, PageBlock, Part
from reports.pages.use_page import formula_text
from reports.report_content import Paragraph, table
from reports.texts.locales import MISSING, named, short_date, written
from reports.writer import words

_EFFECT = "Reports and savings use this version from now on; the one before it is superseded. It cannot be undone."

_REJECTED = "No report and no saving ever uses this version. It cannot be undone; only a new version can be approved."


def review_page(
    version: BaselineVersion,
    versions: Sequence[BaselineVersion],
    acts: tuple[PageBlock, ...],
    address: Address,
    *,
    site: Site,
    use: str,
    names: Mapping[str, str],
) -> Page:
    """One version. versions: of its line, oldest first; acts: the forms that decide, or why there are none; site: its
    drivers have names; use: name of the energy use; names: of people by person_id.
    """
    site_id, seu_id = version.baseline.site_id, version.baseline.seu_id
    in_force = next((each for each in versions if each.status is BaselineStatus.APPROVED), None)
    options = tuple(
        Option(
            text=Sentence("v{0} {1}", each.version, Sentence(each.status.value)), is_chosen=each is version,
            href=version_address(address, site_id, seu_id, each.version),
        )
        for each in versions
    )  # fmt: skip
    compared = [version, *([in_force] if in_force is not None and in_force.version != version.version else [])]
    formula = Sentence("{0} kWh/day", formula_text(site, version, address.locale, digits=6))
    facts = (_facts(compared, names, address.locale, site.time_zone), Paragraph(text=formula))
    return Page(
        title=Sentence("Baseline of {0}, version {1}", named(use), version.version),
        address=address,
        age=Sentence(version.status.value),
        parts=(
            Part(key="version", blocks=(Picker(label="Baseline", options=options),)),
            Part(key="acts", title="Approval", blocks=acts),
            Part(key="model", title="The model", blocks=facts),
        ),
        findings=version.baseline.findings,
        links=(("Energy use", use_address(address, site_id, seu_id, version=None)), ("All uses", address.href(ENPI))),
        is_synthetic=version.baseline.is_synthetic,
    )


def approve_form(version: BaselineVersion, address: Address) -> Form:
    """The approval; every blocking finding asks for why it may stand."""
    fit = version.baseline
    blocking = dict.fromkeys(each.code for each in fit.findings if each.is_blocking)
    waivers = tuple(
        Input(name=f"waive-{code}", label=Sentence("Reason to accept it: {0}", Sentence(words(code))), is_required=True)
        for code in blocking
    )
    fields = (
        Input(name="version", kind="hidden", value=str(version.version)),
        Input(name="reason", label="Reason", is_required=True, hint="What was checked"),
        *waivers,
    )
    place = Address(path=f"{BASELINES}/{fit.site_id}/{fit.seu_id}/approve", locale=address.locale).href()
    return Form(title=Sentence("Approve version {0}", version.version), action=place, fields=fields, note=_EFFECT)


def reject_form(version: BaselineVersion, address: Address) -> Form:
    """The rejection, with its reason."""
    fit = version.baseline
    fields = (
        Input(name="version", kind="hidden", value=str(version.version)),
        Input(name="reason", label="Reason", is_required=True, hint="Reason against it"),
    )
    place = Address(path=f"{BASELINES}/{fit.site_id}/{fit.seu_id}/reject", locale=address.locale).href()
    return Form(title=Sentence("Reject version {0}", version.version), action=place, fields=fields, note=_REJECTED)


def _facts(versions: Sequence[BaselineVersion], names: Mapping[str, str], locale: str, time_zone: str) -> PageBlock:
    def who(person_id: str | None) -> str:
        return named(person_text(person_id, names.get(person_id))) if person_id else MISSING

    def of(version: BaselineVersion) -> list[str]:
        fit, stats = version.baseline, version.baseline.statistics
        span = Sentence("{0} to {1}", short_date(fit.train_start, locale), short_date(fit.train_end, locale))
        texts = [
            f"{stats.n}", f"{stats.p}", f"{stats.r2_adj:.3f}", f"{stats.cvrmse_g14:.1%}",
            f"{stats.cvrmse_out_of_sample:.1%}", f"{stats.rmse_dof:,.1f} kWh",
        ]  # fmt: skip
        fitted = Sentence(
            "{0}, {1}", who(version.fitted_by), short_date(local_day(version.fitted_at_utc, time_zone), locale)
        )
        approved = (
            Sentence("rejected by {0}", who(version.rejected_by)) if version.rejected_by else who(version.approved_by)
        )
        return [span, *(written(each, locale) for each in texts), fitted, approved, named(version.reason) or MISSING]

    labels = (
        "Trained (end excluded)", "Days", "Parameters", "R² adjusted", "CV(RMSE)", "CV(RMSE), held out",
        "RMSE of a day", "Fitted by", "Approved by", "Reason",
    )  # fmt: skip
    columns = ["", *(Sentence("Version {0}", each.version) for each in versions)]
    of_versions = [of(each) for each in versions]
    rows = [(label, *(each[at] for each in of_versions)) for at, label in enumerate(labels)]
    return table("versions", "Against the version in force", columns, rows)
