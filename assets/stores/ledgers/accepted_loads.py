"""Accepted tests of sheddable loads, append-only: who accepted which sensitivity when, in place of the site file's."""

from assets.stores.journal import AppendOnly, document_in, row_of
from assets.stores.schema.tables_demand_response import dr_accepted_loads
from assets.stores.transactions import Store
from data_quality.contracts.site_file.accepted_load import AcceptedLoad, in_force, with_accepted
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

_ACCEPTED = AppendOnly(dr_accepted_loads, document_in("accepted", AcceptedLoad), order=("id",), is_proven=True)


class AcceptedLoads:
    """The accepted tests of one transactional store. A row that is not as it was sealed is refused, not read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, site_id: str) -> list[AcceptedLoad]:
        """Everything that was accepted at a site, the oldest first."""
        return _ACCEPTED.history(self._store, site_id=site_id)

    def site(self, site: Site) -> Site:
        """The site with its loads as people accepted them."""
        if not site.sheddable_loads:
            return site
        return site.model_copy(update={"sheddable_loads": with_accepted(site.sheddable_loads, self.of(site.site_id))})

    def in_force(self, site: Site) -> dict[str, AcceptedLoad]:
        """The accepted test that plans use, by load. site: as its file has it."""
        return in_force(site.sheddable_loads, self.of(site.site_id)) if site.sheddable_loads else {}

    def accept(self, wanted: AcceptedLoad, clock: Clock) -> tuple[AcceptedLoad, bool]:
        """Record a test, and whether it is new: the same figures again are the row that stands."""
        beside = {"person_id", "reason", "recorded_at_utc"}
        with self._store.together():
            newest = next((each for each in self.of(wanted.site_id)[::-1] if each.load_id == wanted.load_id), None)
            if newest is not None and newest.model_dump(exclude=beside) == wanted.model_dump(exclude=beside):
                return newest, False
            made = wanted.model_copy(update={"recorded_at_utc": clock.now_utc()})
            row = row_of(dr_accepted_loads, made, accepted=made.model_dump(mode="json"))
            row.pop("recorded_at_utc", None)
            _ACCEPTED.add(self._store, clock, row)
        return made, True
