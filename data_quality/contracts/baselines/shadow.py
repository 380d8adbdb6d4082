"""A baseline computed again by today's libraries beside the one that is in force: compared, never put in its place."""

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


class ShadowTerm(Model):
    """One coefficient then and now, kWh/day per unit; in_standard_errors: |now - then| over the error of then."""

    name: str
    then: float | None
    now: float | None
    difference: float | None
    in_standard_errors: float | None


class ShadowComparison(Model):
    """One version against its recomputation. largest_difference: max |now - then| / max(|then|, error of then).

    is_same_data: the training table of today has the digest that the version carries; without it nothing is compared.
    is_equal: every coefficient agrees to one part in 10^9 and the terms are the same.
    """

    baseline_id: str
    version: int
    model: str
    is_same_data: bool
    dataset_digest_then: str
    dataset_digest_now: str
    terms: tuple[ShadowTerm, ...] = ()
    largest_difference: float | None = None
    is_equal: bool = False
    libraries: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()
