"""/baselines: a version of a use's energy baseline and its adjustments, decided on by another than who made them."""

from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.baselines.baseline import AdjustmentKind, AdjustmentRecord, BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import parse_day
from orchestration.operations.baselines.adjust import adjust
from orchestration.operations.baselines.baseline import approve as approve_baseline
from orchestration.operations.baselines.baseline import reject as reject_baseline
from orchestration.operations.options import number_or_none
from orchestration.web.draw import draw
from orchestration.web.library.report_acts import who_else
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, requires
from orchestration.web.web_call import WebCall, signer_of
from reports.assess import enb_of
from reports.pages.adjustment_acts import PROPOSAL_FIELDS, AdjustmentActor
from reports.pages.baseline_review import approve_form, reject_form, review_page
from reports.pages.energy_uses import BASELINES, ENPI, use_address, version_address
from reports.pages.page import PageBlock
from reports.pages.signers import signed
from reports.recompute.kept_readings import seu_of
from reports.report_content import Paragraph
from reports.texts.locales import named, short_date

router = APIRouter()
_VERSION, _SHARED = BASELINES + "/{site}/{seu}", ("locale", "as_of")


@router.get(_VERSION, response_class=HTMLResponse)
def baseline(
    site: str, seu: str, ask: Ask = requires(Permission.BASELINE_READ, takes=("version",), shared=_SHARED)
) -> Response:
    """A version of the use's energy baseline, the newest where none is named."""
    use, versions = _line(ask, site, seu)
    version = _chosen(versions, ask.address.part("version"))
    page = review_page(
        version,
        versions,
        _acts(ask, version, versions),
        ask.address,
        site=ask.project.site(site),
        use=use,
        names=ask.project.names,
    )
    return draw(ask, page)


@router.post(_VERSION + "/approve")
def approve(site: str, seu: str, ask: Ask = requires(Permission.BASELINE_APPROVE, shared=("locale",))) -> Response:
    """Approve a version as `meterloom baseline approve` does. What the same person approved already is done."""
    _, versions = _line(ask, site, seu)
    version, form = _chosen(versions, ask.form.get("version", "")), ask.form
    if version.approved_by != ask.person.person_id:
        waivers = [f"{name.removeprefix('waive-')}={why}" for name, why in form.items() if name.startswith("waive-")]
        reason = form.get("reason", "")
        approve_baseline(WebCall(ask), version.baseline_id, reason, version.version, waivers)
    return RedirectResponse(version_address(ask.address, site, seu, version.version), 303)


@router.post(_VERSION + "/reject")
def reject(site: str, seu: str, ask: Ask = requires(Permission.BASELINE_APPROVE, shared=("locale",))) -> Response:
    """Reject a version as `meterloom baseline reject` does. What the same person rejected already is done."""
    _, versions = _line(ask, site, seu)
    version = _chosen(versions, ask.form.get("version", ""))
    if version.rejected_by != ask.person.person_id:
        reject_baseline(WebCall(ask), version.baseline_id, ask.form.get("reason", ""), version.version)
    return RedirectResponse(version_address(ask.address, site, seu, version.version), 303)


def _line(ask: Ask, site_id: str, seu_id: str) -> tuple[str, list[BaselineVersion]]:
    """Name of the use, and the versions of its baseline. Raises BadInput for what is not there or not to be seen."""
    site = whole_site(ask.of(site=site_id))
    use = seu_of(site, seu_id)
    versions = ask.project.baselines.line(enb_of(site, use), as_of_utc=ask.address.as_of_utc)
    if not versions:
        raise BadInput(f"{use.name} has no baseline yet", reason="no_baseline")
    return use.name, versions


def _chosen(versions: Sequence[BaselineVersion], number: str) -> BaselineVersion:
    found = [each for each in versions if str(each.version) == number] if number else [versions[-1]]
    if not found:
        have = ", ".join(str(each.version) for each in versions)
        raise BadInput(f"there is no version {number[:20]!r}; there are {have}", reason="unknown_baseline")
    return found[0]


def _acts(ask: Ask, version: BaselineVersion, versions: Sequence[BaselineVersion]) -> tuple[PageBlock, ...]:
    """The forms that approve and reject, or in a sentence why the person is offered none."""
    why = _why_not(ask, version, versions)
    if why:
        return (Paragraph(text=why),)
    blocks = []
    for form in (approve_form(version, ask.address), reject_form(version, ask.address)):
        waived = (f' --waive {each.name.removeprefix("waive-")}="…"' for each in form.fields if "-" in each.name)
        words = f"baseline {form.key} {version.baseline_id} --version {version.version}"
        blocks.append(signed(form, words, signer_of(ask), ending="".join((' --reason "…"', *waived))))
    # To who has no key both are the same sentence.
    return tuple(dict.fromkeys(blocks))


def _why_not(ask: Ask, version: BaselineVersion, versions: Sequence[BaselineVersion]) -> str:
    names, me = ask.project.names, ask.person.person_id
    if version.approved_by and version.approved_at_utc:
        day = short_date(version.approved_at_utc.date(), ask.address.locale)
        person = named(names.get(version.approved_by, version.approved_by))
        return Sentence("Approved by {0}, {1}: {2}", person, day, named(version.reason))
    if version.rejected_by and version.rejected_at_utc:
        day = short_date(version.rejected_at_utc.date(), ask.address.locale)
        person = named(names.get(version.rejected_by, version.rejected_by))
        pattern = "Rejected by {0}, {1}: {2}. Only a new version can be approved."
        return Sentence(pattern, person, day, named(version.reason))
    newer = [each.version for each in versions if each.version > version.version and each.approved_by]
    if newer:
        return Sentence("Version {0} is approved; an older one cannot follow it.", newer[-1])
    if ask.address.as_of_utc is not None:
        return Sentence(BaselineStatus.PROVISIONAL.value)
    able = who_else(ask.project.people, Role.APPROVER, {version.fitted_by, me})
    if version.fitted_by == me:
        return Sentence("You fitted this baseline, and do not approve your own work. {0}", able)
    if not may(ask.person, Permission.BASELINE_APPROVE):
        return Sentence(
            "{0} needs the role {1}. {2}", Sentence("Approve baseline"), Sentence(Role.APPROVER.value), able
        )
    return ""


_USE = ENPI + "/{site}/{seu}"
# The act of the page: who may, the option of the command, and the field of who did it already.
_DECISIONS = {
    "approve": (Permission.BASELINE_APPROVE, "approve", "approved_by"),
    "take-back": (Permission.BASELINE_CREATE, "withdraw", "withdrawn_by"),
    "withdraw": (Permission.BASELINE_APPROVE, "withdraw", "withdrawn_by"),
}


def adjustment_actor(ask: Ask) -> AdjustmentActor:
    """The viewer's rights on adjustments; none of the past, nor without a people file that can be read."""
    proposes, approves = (may(ask.person, each) for each in (Permission.BASELINE_CREATE, Permission.BASELINE_APPROVE))
    if ask.address.as_of_utc is not None or not (proposes or approves) or not ask.project.names:
        return AdjustmentActor(person_id=ask.person.person_id)
    others = who_else(ask.project.people, Role.APPROVER, {ask.person.person_id})
    return AdjustmentActor(**dict(signer_of(ask)), may_propose=proposes, may_approve=approves, others=others)


@router.post(_USE + "/propose")
def propose(site: str, seu: str, ask: Ask = requires(Permission.BASELINE_CREATE, shared=("locale",))) -> Response:
    """Propose an adjustment of the use's baseline; a second click finds the proposal that the first one made."""
    form = {name: value.strip() for name, value in ask.form.items()}
    given = {name: form.get(name, "") for name in ("start", "end", "reason", "method", "evidence")}
    sizes = {name: form.get(name, "").replace("−", "-") or None for name in ("kwh_per_day", "percent")}
    _check({**given, **sizes})
    try:
        adjust(
            WebCall(ask), _baseline_id(ask, site, seu), **given, **sizes,
            routine=form.get("kind", "") == AdjustmentKind.ROUTINE,
        )  # fmt: skip
    except BadInput as fault:
        if fault.reason != "proposed_already":
            raise
    return _back(ask, site, seu)


def _check(given: Mapping[str, str | None]) -> None:
    """Raises BadInput for a field that cannot be read, by its label."""
    labels = {each.name: Sentence(each.label) for each in PROPOSAL_FIELDS}
    start, end = (parse_day(given[name] or "", labels[name]) for name in ("start", "end"))
    for name in ("kwh_per_day", "percent"):
        number_or_none(given[name], labels[name])
    if end <= start:
        message = Sentence("an adjustment ends ({0}) before it starts ({1})", end, start)
        raise BadInput(message, reason="bad_adjustment")
    if (given["kwh_per_day"] is None) == (given["percent"] is None):
        raise BadInput(Sentence("expected kWh a day or a share, and not both"), reason="bad_adjustment")
    for name in ("reason", "method", "evidence"):
        if not given[name]:
            raise BadInput(Sentence("{0}: expected a text, got nothing", labels[name]), reason="bad_adjustment")


def _decided(name: str) -> Callable[..., Response]:
    """The function behind the form of a decision."""
    needs, option, field = _DECISIONS[name]

    def answer(site: str, seu: str, adjustment: str, ask: Ask = requires(needs, shared=("locale",))) -> Response:
        record = _record(ask, _baseline_id(ask, site, seu), adjustment)
        if getattr(record, field) != ask.person.person_id:
            options = {option: record.adjustment_id}
            adjust(WebCall(ask), reason=ask.form.get("reason", ""), **options)
        return _back(ask, site, seu)

    answer.__doc__ = f"{name.capitalize()}: as the command does it; what the same person did already is done."
    return answer


for _name in _DECISIONS:
    router.add_api_route(f"{_USE}/adjustments/{{adjustment}}/{_name}", _decided(_name), methods=["POST"], name=_name)


def _baseline_id(ask: Ask, site_id: str, seu_id: str) -> str:
    """The use's energy baseline. Raises BadInput for what is not there or not to be seen."""
    site = whole_site(ask.of(site=site_id))
    return enb_of(site, seu_of(site, seu_id))


def _record(ask: Ask, baseline_id: str, adjustment_id: str) -> AdjustmentRecord:
    """The adjustment of that id and baseline. Raises BadInput (unknown_adjustment)."""
    for record in AdjustmentStore(ask.project.store).records(baseline_id=baseline_id):
        if record.adjustment_id == adjustment_id:
            return record
    raise BadInput(f"{baseline_id} has no adjustment {adjustment_id[:20]!r}", reason="unknown_adjustment")


def _back(ask: Ask, site_id: str, seu_id: str) -> Response:
    return RedirectResponse(use_address(ask.address, site_id, seu_id) + "#adjustments", 303)
