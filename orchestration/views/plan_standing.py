"""Why a site has no plan, kept for boards, doctor, status and `meterloom next` until it is mended."""

from assets.stores.ledgers.job_outcomes import DEVICES, TO_MEND, JobOutcome, record_outcomes, take_back
from assets.stores.transactions import Store
from controls.planning.mends import sentence_of
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

JOB = "plan"


def keep_by_hand(store: Store, site: Site, refused: Finding | None, clock: Clock) -> None:
    """Keep why the plan that a person asked for was not made, or that it was. Raises Unreachable."""
    if refused is not None:
        _keep(store, JOB, site, sentence_of(refused, site), clock)
        return
    made = JobOutcome.of_no_run(JOB, site.site_id, "", clock.now_utc())
    record_outcomes(store, [made.model_copy(update={"outcome": "succeeded"})], clock)


def keep_looked(store: Store, site: Site, found: Finding | None, clock: Clock) -> None:
    """Keep what a look at a site's plan found: what stands in its way, or a device that it goes without.

    What a run failed of stays until a run succeeds. Raises Unreachable.
    """
    if found is not None and found.is_blocking:
        _keep(store, JOB, site, sentence_of(found, site), clock)
        return
    take_back(store, JOB, site.site_id, clock)
    if found is None:
        take_back(store, DEVICES, site.site_id, clock)
    else:
        mend = f"meterloom devices test DEVICE --site {site.site_id}"
        _keep(store, DEVICES, site, f"{found.message}{TO_MEND}{mend}", clock)


def keep_fault(store: Store, site: Site, fault: WorldFault, clock: Clock) -> None:
    """Keep a fault of the site file that no run would be asked for with. Raises Unreachable."""
    _keep(store, JOB, site, f"{fault}{TO_MEND}sites/{site.site_id}.yaml", clock)


def _keep(store: Store, job: str, site: Site, sentence: str, clock: Clock) -> None:
    record_outcomes(store, [JobOutcome.of_no_run(job, site.site_id, sentence, clock.now_utc())], clock)
