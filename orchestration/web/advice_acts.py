"""Acts on recommendations, over pages and API: the operation of the command, each once."""

from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.site_file.site import Site
from orchestration.operations.project import advise
from orchestration.web.request_context import Ask
from orchestration.web.web_call import WebCall
from orchestration.web.work import Job, work_of
from reports.pages.advice import ACTS

NEEDS = {
    "acknowledge": Permission.ANOMALY_UPDATE, "schedule": Permission.ANOMALY_UPDATE,
    "dismiss": Permission.ANOMALY_UPDATE, "accept": Permission.AI_ACCEPT, "measure": Permission.MV_RUN,
}  # fmt: skip
WAY_ON = {
    "bad_state": "Open the recommendation again: it shows what can be done now.",
    "changed_since": "Go back, open the page again, look at what changed, and decide then.",
    "no_reason": "Go back and write a reason.",
    "not_done": "Close its task first.",
}


def acted(ask: Ask, act: str, of: Recommendation, reason: str, due: str = "") -> Job | None:
    """The act of who stands behind the request; a job where a fit is behind it. Raises BadInput, as the command."""
    if not reason.strip():
        raise BadInput("a recommendation is acted on with a reason", reason="no_reason")
    call = WebCall(ask)
    if act == "acknowledge":
        advise.advise_acknowledge(call, of.recommendation_id, reason)
    elif act == "schedule":
        advise.advise_schedule(call, of.recommendation_id, reason, due)
    elif act == "dismiss":
        advise.advise_dismiss(call, of.recommendation_id, reason)
    else:
        # A fit pulls in libraries that this process stays free of.
        words = (*words_of(act, of), "--as", ask.person.person_id, "--reason", reason)
        return work_of(ask.project).ask(words, person_id=ask.person.person_id, now_utc=ask.now_utc)
    return None


def is_done(ask: Ask, act: str, of: Recommendation) -> bool:
    """True where the same person has done it already; what was saved can be measured again."""
    return (of.status, of.person_id) == (ACTS[act][0], ask.person.person_id) and act != "measure"


def words_of(act: str, of: Recommendation) -> tuple[str, ...]:
    """The command of an act that takes longer."""
    return ("advise", act, of.recommendation_id)


def of_site(ask: Ask, site: Site, recommendation_id: str) -> Recommendation:
    """The recommendation of exactly that id at the site. Raises BadInput (no_recommendation)."""
    known = Recommendations(ask.project.store).standing(site.site_id, as_of_utc=ask.address.as_of_utc)
    found = next((each for each in known if each.recommendation_id == recommendation_id), None)
    if found is None:
        said = f"site {site.site_id} has no recommendation {recommendation_id[:20]!r}"
        raise BadInput(said, reason="no_recommendation")
    return found
