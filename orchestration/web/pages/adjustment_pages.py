"""Acts on adjustments of a use's baseline: `meterloom baseline adjust` as forms of the use's page."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.baselines.baseline import AdjustmentKind, AdjustmentRecord
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import parse_day
from orchestration.operations.baselines.adjust import adjust
from orchestration.operations.options import number_or_none
from orchestration.web.library.report_acts import who_else
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, requires
from orchestration.web.web_call import WebCall, has_keys
from reports.assess import enb_of
from reports.pages.adjustment_acts import PROPOSAL_FIELDS, AdjustmentActor
from reports.pages.energy_uses import ENPI, use_address
from reports.recompute.figure_sources import seu_of

router = APIRouter()
_ONE = ENPI + "/{site}/{seu}"
# The act of the page: who may, the option of the command, and the field of who did it already.
_DECISIONS = {
    "approve": (Permission.BASELINE_APPROVE, "approve", "approved_by"),
    "take-back": (Permission.BASELINE_CREATE, "withdraw", "withdrawn_by"),
    "withdraw": (Permission.BASELINE_APPROVE, "withdraw", "withdrawn_by"),
}


def adjustment_actor(ask: Ask) -> AdjustmentActor:
    """The viewer's rights on adjustments; none of the past, nor without a people file that can be read."""
    me = ask.person.person_id
    proposes, approves = (may(ask.person, each) for each in (Permission.BASELINE_CREATE, Permission.BASELINE_APPROVE))
    if ask.address.as_of_utc is not None or not (proposes or approves) or not ask.project.names:
        return AdjustmentActor(person_id=me)
    people = ask.project.people
    return AdjustmentActor(
        person_id=me, may_propose=proposes, may_approve=approves, needs_key=has_keys(people),
        public_key=people.public_keys.get(me, ""), others=who_else(people, Role.APPROVER, {me}),
    )  # fmt: skip


@router.post(_ONE + "/propose")
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
    router.add_api_route(f"{_ONE}/adjustments/{{adjustment}}/{_name}", _decided(_name), methods=["POST"], name=_name)


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
