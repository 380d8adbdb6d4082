"""Lines of the audit trail about baselines: fitted, approved, rejected, and adjusted."""

from collections.abc import Iterator, Mapping

from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.baselines.baseline import BaselineType
from data_quality.contracts.people import person_text
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.site_file.site import Site
from orchestration.web.request_context import Context
from reports.advice_words import scope_name, title_of
from reports.pages.address import Address
from reports.pages.audit_trail import TrailLine
from reports.pages.energy_uses import use_address, version_address
from reports.texts.locales import named


def person_name(person_id: str, names: Mapping[str, str]) -> str:
    """Name of a person for a line of the trail."""
    return named(names.get(person_id) or person_text(person_id, None) or "–")


def baseline_lines(ctx: Context, sites: Mapping[str, Site], names: Mapping[str, str]) -> Iterator[TrailLine]:
    """Fits, approvals and rejections of baselines, and the acts on their adjustments."""
    for site_id, site in sites.items():
        uses, at = {each.seu_id for each in site.seus}, Address(path="", locale=ctx.address.locale)
        # By the id of their subject: an accepted recommendation, an M&V project or an energy use.
        subjects: dict[str, Text] = {
            each.project_id: title_of(each, scope_name(site, each.scope))
            for each in Recommendations(ctx.project.store).current(site_id, as_of_utc=ctx.address.as_of_utc)
        }
        subjects |= {each.project_id: named(each.name) for each in site.projects}
        subjects |= {each.seu_id: named(each.name) for each in site.seus}
        yield from _adjustments(ctx, site, names, subjects)
        for each in ctx.project.baselines.versions(site_id, as_of_utc=ctx.address.as_of_utc):
            fit, zone = each.baseline, site.time_zone
            if fit.baseline_type is BaselineType.MONITORING:
                continue
            is_shown = fit.baseline_type is BaselineType.ENB and fit.seu_id in uses
            href = version_address(at, site_id, fit.seu_id, each.version) if is_shown else ""
            places = (each.version, subjects.get(fit.seu_id, named(fit.seu_id)), named(site.name))
            text = Sentence("{0} fitted baseline v{1} of {2}, {3}", person_name(each.fitted_by, names), *places)
            yield TrailLine(each.fitted_at_utc, text, "baselines", href, "", zone)
            if each.approved_by and each.approved_at_utc:
                text = Sentence("{0} approved baseline v{1} of {2}, {3}", person_name(each.approved_by, names), *places)
                yield TrailLine(each.approved_at_utc, text, "baselines", href, each.reason, zone)
            if each.rejected_by and each.rejected_at_utc:
                text = Sentence("{0} rejected baseline v{1} of {2}, {3}", person_name(each.rejected_by, names), *places)
                yield TrailLine(each.rejected_at_utc, text, "baselines", href, each.reason, zone)


def _adjustments(
    ctx: Context, site: Site, names: Mapping[str, str], subjects: Mapping[str, Text]
) -> Iterator[TrailLine]:
    at = Address(path="", locale=ctx.address.locale)
    for each in AdjustmentStore(ctx.project.store).records(site_id=site.site_id, as_of_utc=ctx.address.as_of_utc):
        seu_id = each.adjustment.baseline_id.split("/")[1]
        href = use_address(at, site.site_id, seu_id) if any(use.seu_id == seu_id for use in site.seus) else ""
        of = (subjects.get(seu_id, named(seu_id)), named(site.name))
        for pattern, person_id, at_utc, reason in (
            ("{0} proposed an adjustment of {1}, {2}", each.proposed_by, each.proposed_at_utc, each.adjustment.reason),
            ("{0} approved an adjustment of {1}, {2}", each.approved_by, each.approved_at_utc, each.adjustment.reason),
            (
                "{0} withdrew an adjustment of {1}, {2}",
                each.withdrawn_by,
                each.withdrawn_at_utc,
                each.withdrawn_because,
            ),
        ):
            if person_id and at_utc:
                text = Sentence(pattern, person_name(person_id, names), *of)
                yield TrailLine(at_utc, text, "baselines", href, reason, site.time_zone)
