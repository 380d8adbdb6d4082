"""Acts on adjustments of a use's baseline: `meterloom baseline adjust` as forms of the use's page."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.baselines.baseline import AdjustmentKind
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import parse_day
from orchestration.operations.baselines.adjust import adjust
from orchestration.operations.options import number_or_none
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall, others_with_role, signer_of
from reports.assess import enb_of
from reports.pages.adjustment_acts import PROPOSAL_FIELDS, AdjustmentActor
from reports.pages.energy_uses import ENPI, use_address
from reports.recompute.figure_sources import seu_of

router = APIRouter()
_ONE = ENPI + "/{site}/{seu}"
_ADJUSTMENT = _ONE + "/adjustments/{adjustment}"


def adjustment_actor(ctx: Context) -> AdjustmentActor:
    """The viewer's rights on adjustments; none of the past, nor without a people file that can be read."""
    proposes, approves = (may(ctx.person, each) for each in (Permission.BASELINE_CREATE, Permission.BASELINE_APPROVE))
    if ctx.address.as_of_utc is not None or not (proposes or approves) or not ctx.project.names:
        return AdjustmentActor(person_id=ctx.person.person_id)
    others = others_with_role(ctx.project.people, Role.APPROVER, {ctx.person.person_id})
    return AdjustmentActor(**dict(signer_of(ctx)), may_propose=proposes, may_approve=approves, others=others)


@router.post(_ONE + "/propose")
def propose(site: str, seu: str, ctx: Context = requires(Permission.BASELINE_CREATE, shared=("locale",))) -> Response:
    """Propose an adjustment of the use's baseline; a second click finds the proposal that the first one made.

    Raises BadInput for a field that cannot be read, by its label.
    """
    form = {name: value.strip() for name, value in ctx.form.items()}
    given = {name: form.get(name, "") for name in ("start", "end", "reason", "method", "evidence")}
    sizes = {name: form.get(name, "").replace("−", "-") or None for name in ("kwh_per_day", "percent")}
    labels = {each.name: Sentence(each.label) for each in PROPOSAL_FIELDS}
    start, end = (parse_day(given[name], labels[name]) for name in ("start", "end"))
    for name, size in sizes.items():
        number_or_none(size, labels[name])
    if end <= start:
        message = Sentence("an adjustment ends ({0}) before it starts ({1})", end, start)
        raise BadInput(message, reason="bad_adjustment")
    if (sizes["kwh_per_day"] is None) == (sizes["percent"] is None):
        raise BadInput(Sentence("expected kWh a day or a share, and not both"), reason="bad_adjustment")
    for name in ("reason", "method", "evidence"):
        if not given[name]:
            raise BadInput(Sentence("{0}: expected a text, got nothing", labels[name]), reason="bad_adjustment")
    try:
        adjust(
            WebCall(ctx), _baseline_id(ctx, site, seu), **given, **sizes,
            routine=form.get("kind", "") == AdjustmentKind.ROUTINE,
        )  # fmt: skip
    except BadInput as fault:
        if fault.reason != "proposed_already":
            raise
    return _back(ctx, site, seu)


@router.post(_ADJUSTMENT + "/approve")
def approve(
    site: str, seu: str, adjustment: str, ctx: Context = requires(Permission.BASELINE_APPROVE, shared=("locale",))
) -> Response:
    """Approve an adjustment as the command does; what the same person approved already is done."""
    return _decide(ctx, (site, seu, adjustment), option="approve", field="approved_by")


@router.post(_ADJUSTMENT + "/take-back")
def take_back(
    site: str, seu: str, adjustment: str, ctx: Context = requires(Permission.BASELINE_CREATE, shared=("locale",))
) -> Response:
    """Withdraw a proposal of one's own; what the same person withdrew already is done."""
    return _decide(ctx, (site, seu, adjustment), option="withdraw", field="withdrawn_by")


@router.post(_ADJUSTMENT + "/withdraw")
def withdraw(
    site: str, seu: str, adjustment: str, ctx: Context = requires(Permission.BASELINE_APPROVE, shared=("locale",))
) -> Response:
    """Withdraw an adjustment as the command does; what the same person withdrew already is done."""
    return _decide(ctx, (site, seu, adjustment), option="withdraw", field="withdrawn_by")


def _decide(ctx: Context, of: tuple[str, str, str], *, option: str, field: str) -> Response:
    """Decide on an adjustment by an option of the command. of: site, use, adjustment; field: of who did it already.

    Raises BadInput (unknown_adjustment).
    """
    site, seu, adjustment = of
    baseline_id = _baseline_id(ctx, site, seu)
    records = AdjustmentStore(ctx.project.store).records(baseline_id=baseline_id)
    record = next((each for each in records if each.adjustment_id == adjustment), None)
    if record is None:
        raise BadInput(f"{baseline_id} has no adjustment {adjustment[:20]!r}", reason="unknown_adjustment")
    if getattr(record, field) != ctx.person.person_id:
        options = {option: adjustment}
        adjust(WebCall(ctx), reason=ctx.form.get("reason", ""), **options)
    return _back(ctx, site, seu)


def _baseline_id(ctx: Context, site_id: str, seu_id: str) -> str:
    """The use's energy baseline. Raises BadInput for what is not there or not to be seen."""
    site = whole_site(ctx.of(site=site_id))
    return enb_of(site, seu_of(site, seu_id))


def _back(ctx: Context, site_id: str, seu_id: str) -> Response:
    return RedirectResponse(use_address(ctx.address, site_id, seu_id) + "#adjustments", 303)
