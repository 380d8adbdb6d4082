"""Recommendations, append-only: a row an act, with the recommendation as the act left it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from assets.stores.journal import AppendOnly, document_in, fields_of, row_of
from assets.stores.schema.tables_advice import recommendations
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.recommendation import (
    NEXT_STATES,
    Answer,
    Recommendation,
    RecommendationState,
)
from data_quality.contracts.time import Clock

_ROWS = AppendOnly(recommendations, document_in("recommendation", Recommendation), order=("id",), is_proven=True)

_ANSWERS = AppendOnly(recommendations, fields_of(Answer), order=("id",), is_proven=True)


class Recommendations:
    """The recommendations of one transactional store. A row that is not as it was sealed is refused, not read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def standing(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[Recommendation]:
        """Recommendations of a site, or of all, as known at T, the largest saving of money first."""
        found = _ROWS.all_as_of(
            self._store, "site_id", "recommendation_id", as_of_utc=as_of_utc, site_id=site_id
        )  # fmt: skip
        return sorted(found, key=lambda each: (-(each.savings_money or 0), -each.savings_kwh))

    def history(self, of: Recommendation, *, as_of_utc: datetime | None = None) -> list[Recommendation]:
        """The recommendation after each act, the oldest first."""
        wanted = {"site_id": of.site_id, "recommendation_id": of.recommendation_id}
        return _ROWS.history(self._store, as_of_utc=as_of_utc, **wanted)

    def named(self, start: str, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> Recommendation:
        """The recommendation whose id starts so, of a site or of any.

        Raises BadInput (no_recommendation) for none, or several.
        """
        known = self.standing(site_id, as_of_utc=as_of_utc)
        found = [each for each in known if start and each.recommendation_id.startswith(start)]
        if len(found) != 1:
            said = f"{len(found)} recommendations have" if found else "no recommendation has"
            mend = "meterloom advise list shows them"
            raise BadInput(f"{said} an id that starts with {start!r}", reason="no_recommendation", mend=mend)
        return found[0]

    def answers(self, *, person_id: str | None = None, as_of_utc: datetime | None = None) -> list[Answer]:
        """Acceptances and dismissals, of a person or of all, the oldest first."""
        answered = ("accepted", "dismissed")
        return _ANSWERS.history(self._store, as_of_utc=as_of_utc, status=answered, person_id=person_id)

    def add(self, made: Sequence[Recommendation], clock: Clock) -> list[Recommendation]:
        """Record those that are new by their id, and again those that nobody answered and whose cost is another now.

        What people did with the others stands. Returns all as they stand.
        """
        with self._store.together():
            known = {each.recommendation_id: each for site in {one.site_id for one in made}
                     for each in self.standing(site)}  # fmt: skip
            new = [each for each in made if _is_news(each, known.get(each.recommendation_id))]
            if new:
                _ROWS.add(self._store, clock, *(self._row(each, clock) for each in new))
                known = {
                    name: each for name, each in known.items() if name not in {one.recommendation_id for one in new}
                }
        return [known.get(each.recommendation_id, each) for each in made]

    def move(
        self, of: Recommendation, status: RecommendationState, clock: Clock, *, person_id: str, reason: str,
        **beside: Any,
    ) -> Recommendation:  # fmt: skip
        """Record an act. beside: fields that it sets. Raises BadInput without a reason (no_reason), and for a state
        that does not follow (bad_state).
        """
        if not reason.strip():
            raise BadInput(f"a recommendation is {status} with a reason", reason="no_reason")
        # Read and added in one write transaction: of two people who act at once one is told.
        with self._store.together():
            now = self.named(of.recommendation_id)
            if status not in NEXT_STATES[now.status]:
                after = ", ".join(NEXT_STATES[now.status]) or "nothing"
                said = f"recommendation {now.recommendation_id} is {now.status}; {after} may follow"
                raise BadInput(said, reason="bad_state")
            told = {"status": status, "person_id": person_id, "reason": reason.strip(), **beside}
            after_act = now.model_copy(update={**told, "recorded_at_utc": clock.now_utc()})
            _ROWS.add(self._store, clock, self._row(after_act, clock))
        return after_act

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id behind a recommendation, as it stands or stood before, or None."""
        # Of all that was written only where what stands has it not.
        for read in (self.standing, partial(_ROWS.history, self._store)):
            for each in read():
                for figure in each.figures:
                    if figure.figure_id == figure_id:
                        return figure
        return None

    def _row(self, of: Recommendation, clock: Clock) -> dict[str, Any]:
        made = of.model_copy(update={"recorded_at_utc": clock.now_utc()})
        row = row_of(recommendations, made, recommendation=made.model_dump(mode="json"))
        row.pop("recorded_at_utc", None)
        return row


def _is_news(made: Recommendation, known: Recommendation | None) -> bool:
    """Whether it is to be recorded: unknown so far, or of another cost than the one that nobody answered yet."""
    if known is None:
        return True
    parts = ("cost_money", "interval_cost", "cost_source")
    return known.status == "new" and any(getattr(made, each) != getattr(known, each) for each in parts)
