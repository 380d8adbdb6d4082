"""/baselines: a version of a use's energy baseline, approved or rejected by another than who fitted it."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import local_day
from orchestration.operations.baselines.baseline import approve as approve_baseline
from orchestration.operations.baselines.baseline import reject as reject_baseline
from orchestration.web.draw import draw
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall, others_with_role, signer_of
from reports.assess import enb_of
from reports.pages.baseline_review import approve_form, reject_form, review_page
from reports.pages.energy_uses import BASELINES, version_address
from reports.pages.page import PageBlock
from reports.pages.signers import signed
from reports.recompute.figure_sources import seu_of
from reports.report_content import Paragraph
from reports.texts.locales import named, short_date

router = APIRouter()
_VERSION, _SHARED = BASELINES + "/{site}/{seu}", ("locale", "as_of")


@router.get(_VERSION, response_class=HTMLResponse)
def baseline(
    site: str, seu: str, ctx: Context = requires(Permission.BASELINE_READ, takes=("version",), shared=_SHARED)
) -> Response:
    """A version of the use's energy baseline, the newest where none is named."""
    use, versions = _line(ctx, site, seu)
    version = _chosen(versions, ctx.address.part("version"))
    page = review_page(
        version,
        versions,
        _acts(ctx, version, versions),
        ctx.address,
        site=ctx.project.site(site),
        use=use,
        names=ctx.project.names,
    )
    return draw(ctx, page)


@router.post(_VERSION + "/approve")
def approve(site: str, seu: str, ctx: Context = requires(Permission.BASELINE_APPROVE, shared=("locale",))) -> Response:
    """Approve a version as `meterloom baseline approve` does. What the same person approved already is done."""
    _, versions = _line(ctx, site, seu)
    version, form = _chosen(versions, ctx.form.get("version", "")), ctx.form
    if version.approved_by != ctx.person.person_id:
        waivers = [f"{name.removeprefix('waive-')}={why}" for name, why in form.items() if name.startswith("waive-")]
        reason = form.get("reason", "")
        approve_baseline(WebCall(ctx), version.baseline_id, reason, version.version, waivers)
    return RedirectResponse(version_address(ctx.address, site, seu, version.version), 303)


@router.post(_VERSION + "/reject")
def reject(site: str, seu: str, ctx: Context = requires(Permission.BASELINE_APPROVE, shared=("locale",))) -> Response:
    """Reject a version as `meterloom baseline reject` does. What the same person rejected already is done."""
    _, versions = _line(ctx, site, seu)
    version = _chosen(versions, ctx.form.get("version", ""))
    if version.rejected_by != ctx.person.person_id:
        reject_baseline(WebCall(ctx), version.baseline_id, ctx.form.get("reason", ""), version.version)
    return RedirectResponse(version_address(ctx.address, site, seu, version.version), 303)


def _line(ctx: Context, site_id: str, seu_id: str) -> tuple[str, list[BaselineVersion]]:
    """Name of the use, and the versions of its baseline. Raises BadInput for what is not there or not to be seen."""
    site = whole_site(ctx.of(site=site_id))
    use = seu_of(site, seu_id)
    versions = ctx.project.baselines.line(enb_of(site, use), as_of_utc=ctx.address.as_of_utc)
    if not versions:
        raise BadInput(f"{use.name} has no baseline yet", reason="no_baseline")
    return use.name, versions


def _chosen(versions: Sequence[BaselineVersion], number: str) -> BaselineVersion:
    found = [each for each in versions if str(each.version) == number] if number else [versions[-1]]
    if not found:
        have = ", ".join(str(each.version) for each in versions)
        raise BadInput(f"there is no version {number[:20]!r}; there are {have}", reason="unknown_baseline")
    return found[0]


def _acts(ctx: Context, version: BaselineVersion, versions: Sequence[BaselineVersion]) -> tuple[PageBlock, ...]:
    """The forms that approve and reject, or in a sentence why the person is offered none."""
    why = _why_not(ctx, version, versions)
    if why:
        return (Paragraph(text=why),)
    blocks = []
    for form in (approve_form(version, ctx.address), reject_form(version, ctx.address)):
        waived = (f' --waive {each.name.removeprefix("waive-")}="…"' for each in form.fields if "-" in each.name)
        words = f"baseline {form.key} {version.baseline_id} --version {version.version}"
        blocks.append(signed(form, words, signer_of(ctx), ending="".join((' --reason "…"', *waived))))
    # To who has no key both are the same sentence.
    return tuple(dict.fromkeys(blocks))


def _why_not(ctx: Context, version: BaselineVersion, versions: Sequence[BaselineVersion]) -> str:
    names, me = ctx.project.names, ctx.person.person_id
    time_zone = ctx.project.site(version.baseline.site_id).time_zone
    if version.approved_by and version.approved_at_utc:
        day = short_date(local_day(version.approved_at_utc, time_zone), ctx.address.locale)
        person = named(names.get(version.approved_by, version.approved_by))
        return Sentence("Approved by {0}, {1}: {2}", person, day, named(version.reason))
    if version.rejected_by and version.rejected_at_utc:
        day = short_date(local_day(version.rejected_at_utc, time_zone), ctx.address.locale)
        person = named(names.get(version.rejected_by, version.rejected_by))
        pattern = "Rejected by {0}, {1}: {2}. Only a new version can be approved."
        return Sentence(pattern, person, day, named(version.reason))
    newer = [each.version for each in versions if each.version > version.version and each.approved_by]
    if newer:
        return Sentence("Version {0} is approved; an older one cannot follow it.", newer[-1])
    if ctx.address.as_of_utc is not None:
        return Sentence(BaselineStatus.PROVISIONAL.value)
    able = others_with_role(ctx.project.people, Role.APPROVER, {version.fitted_by, me})
    if version.fitted_by == me:
        return Sentence("You fitted this baseline, and do not approve your own work. {0}", able)
    if not may(ctx.person, Permission.BASELINE_APPROVE):
        return Sentence(
            "{0} needs the role {1}. {2}", Sentence("Approve baseline"), Sentence(Role.APPROVER.value), able
        )
    return ""
