"""Comparisons of approved baselines with their recomputation in shadow, append-only."""

from datetime import datetime

import sqlalchemy as sa

from assets.stores.seals import append_row
from assets.stores.tables_baselines import baseline_shadows
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.adjustment import canonical_sha256
from data_quality.contracts.shadow import ShadowComparison
from data_quality.contracts.time import Clock


class ShadowStore:
    """What library upgrades would have changed, as it was found."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, comparison: ShadowComparison, person_id: str, clock: Clock) -> str:
        """Keep a comparison. Returns the SHA-256 of its content, which a signature names."""
        content = comparison.model_dump(mode="json")
        sha256 = canonical_sha256(content)
        with self.store.begin() as connection:
            append_row(
                connection,
                baseline_shadows,
                site_id=comparison.baseline_id.partition("/")[0],
                baseline_id=comparison.baseline_id,
                version=comparison.version,
                comparison_sha256=sha256,
                comparison=content,
                person_id=person_id,
                recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
            )
        return sha256

    def of(self, baseline_id: str, version: int, *, as_of_utc: datetime | None = None) -> list[ShadowComparison]:
        """Comparisons of one version, oldest first."""
        table = baseline_shadows
        query = sa.select(table.c.comparison).where(table.c.baseline_id == baseline_id, table.c.version == version)
        if as_of_utc is not None:
            query = query.where(table.c.recorded_at_utc <= as_of_utc)
        rows = self.store.rows(query.order_by(table.c.recorded_at_utc))
        return [ShadowComparison.model_validate(row["comparison"]) for row in rows]
