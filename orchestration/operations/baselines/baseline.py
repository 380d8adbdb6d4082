"""`meterloom baseline list|show|approve|reject`: look at the baselines of a project and decide on them."""

from datetime import timedelta
from typing import Annotated

from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Role
from orchestration.operations.answer import Answer, Table
from orchestration.operations.baselines.adjust import ADJUSTMENTS, adjustment
from orchestration.operations.baselines.baseline_line import details, line, one, version_text
from orchestration.operations.operation import READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.options import OnlySiteOption
from orchestration.operations.signing import actor
from orchestration.views.registry_view import show_in_registry

BaselineArgument = Annotated[str, Argument("site/seu/type", metavar="ID")]
VersionOption = Annotated[int | None, Option("Which version; the newest if left out.")]
BASELINES = (
    "baseline: {baseline_id} v{version} | status | approved by: {approved_by:|-} | model: {baseline.model} | "
    "trained from: {baseline.train_start} | to: {last} | error: {baseline.statistics.cvrmse_g14:.1%}"
)


@operation("baseline list", example="--site factory")
def baseline_list(call: Call, site: OnlySiteOption = None) -> Answer:
    """List every version with its status."""
    found = call.project.baselines.versions(site, as_of_utc=call.as_of_utc)
    shown = Table(
        found,
        BASELINES,
        empty="no baseline is fitted; 'meterloom baseline fit --site SITE --as ANALYST' fits those of a site",
        last=lambda each: each.baseline.train_end - timedelta(days=1),
    )
    text = "error: CV(RMSE) of the training days" if found else ""
    return Answer({"baselines": [line(version) for version in found]}, shown, text)


@operation("baseline show", example="factory/compressors/enb")
def show(
    call: Call,
    baseline_id: BaselineArgument,
    version: VersionOption = None,
) -> Answer:
    """Show one version: coefficients with intervals, statistics, findings, adjustments, what speaks for a review."""
    found = one(call, baseline_id, version)
    review = _review(call, found)
    ledger = AdjustmentStore(call.project.store)
    adjusted = [
        each
        for each in ledger.records(baseline_id=found.baseline_id, as_of_utc=call.as_of_utc)
        # Earlier ones corrected a former version; this one was trained on the days they are about.
        if each.adjustment.start >= found.baseline.train_end
    ]
    result = details(found) | {"adjustments": [adjustment(each) for each in adjusted], "review": review}
    text = [
        version_text(found),
        *(f"  review: {finding.code}: {finding.message}" for finding in review),
        *(f"  adjustment {' '.join(cells)}" for cells in ADJUSTMENTS.cells(result)),
    ]
    return Answer({"baselines": [result]}, text="\n".join(text))


def _review(call: Call, version: BaselineVersion) -> tuple[Finding, ...]:
    """Findings that call for a review of an energy baseline today, or at --as-of; none for other types."""
    from reports.assess import UseRequest

    project, fit = call.project, version.baseline
    site = project.sites.get(fit.site_id)
    seu = next((each for each in site.seus if each.seu_id == fit.seu_id), None) if site is not None else None
    if site is None or seu is None or fit.baseline_type is not BaselineType.ENB:
        return ()
    # Not the clock alone: the store may hold rows newer than it, after the clock was set back.
    as_of_utc = call.as_of_or_now
    return UseRequest(site, seu, version, call.sources, as_of_utc).review()


@operation("baseline reject", takes=READS_AND_ACTS, example='factory/compressors/enb --as anna --reason "no autumn"')
def reject(
    call: Call,
    baseline_id: BaselineArgument,
    reason: Annotated[str, Option("Reason against it.")],
    version: VersionOption = None,
) -> Answer:
    """Reject a version as a named person with the role, for good; whoever fitted it cannot."""
    who = actor(call, Role.APPROVER)
    known = one(call, baseline_id, version)
    with call.project.store.together():
        found = call.project.baselines.reject(baseline_id, known.version, who.person, reason, call.clock)
        subject = f"{found.baseline_id}@{found.version}"
        who.sign("baseline reject", subject, reason=reason, model_checksum=found.model_checksum)
    unseen = show_in_registry(call.project, found.baseline_id) if call.shows_in_mlflow else ""
    text = f"{found.baseline_id} v{found.version} rejected by {who.person.name}" + (f"; {unseen}" if unseen else "")
    return Answer({"baselines": [line(found)]}, text=f"{text}\n{call.then(found.baseline.site_id)}")


@operation("baseline approve", takes=READS_AND_ACTS, example='factory/compressors/enb --as anna --reason "reviewed"')
def approve(
    call: Call,
    baseline_id: BaselineArgument,
    reason: Annotated[str, Option("Why it may stand.")],
    version: VersionOption = None,
    waive: Annotated[list[str] | None, Option("CODE=why, for a blocking finding.")] = None,
) -> Answer:
    """Approve a version as a named person with the role; whoever fitted it cannot."""
    who = actor(call, Role.APPROVER)
    waivers = {code: why for code, _, why in (part.partition("=") for part in waive or [])}
    # The number is fixed before the approval: a version fitted meanwhile must not be approved unseen.
    known = one(call, baseline_id, version)
    with call.project.store.together():
        found = call.project.baselines.approve(baseline_id, known.version, who.person, reason, waivers, call.clock)
        subject = f"{found.baseline_id}@{found.version}"
        who.sign("baseline approve", subject, reason=reason, waivers=waivers, model_checksum=found.model_checksum)
    unseen = show_in_registry(call.project, found.baseline_id) if call.shows_in_mlflow else ""
    text = f"{found.baseline_id} v{found.version} approved by {who.person.name}" + (f"; {unseen}" if unseen else "")
    return Answer({"baselines": [line(found)]}, text=f"{text}\n{call.then(found.baseline.site_id)}")
