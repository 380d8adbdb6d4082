"""Comparisons of approved baselines with their recomputation in shadow, append-only."""

from datetime import datetime

from assets.stores.journal import AppendOnly, document_in, row_of
from assets.stores.schema.tables_baselines import baseline_shadows
from assets.stores.transactions import Store
from data_quality.contracts.baselines.adjustment import canonical_sha256
from data_quality.contracts.baselines.baseline import ShadowComparison
from data_quality.contracts.time import Clock

_SHADOWS = AppendOnly(baseline_shadows, document_in("comparison", ShadowComparison))


class ShadowStore:
    """Store of changes that library upgrades would have made, as found."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, comparison: ShadowComparison, person_id: str, clock: Clock) -> str:
        """Keep a comparison. Returns the SHA-256 of its content, which a signature names."""
        content = comparison.model_dump(mode="json")
        sha256, site_id = canonical_sha256(content), comparison.baseline_id.partition("/")[0]
        beside = {"site_id": site_id, "comparison_sha256": sha256, "comparison": content, "person_id": person_id}
        _SHADOWS.add(self.store, clock, row_of(baseline_shadows, comparison, **beside))
        return sha256

    def of(self, baseline_id: str, version: int, *, as_of_utc: datetime | None = None) -> list[ShadowComparison]:
        """Comparisons of one version, oldest first."""
        return _SHADOWS.history(self.store, as_of_utc=as_of_utc, baseline_id=baseline_id, version=version)
