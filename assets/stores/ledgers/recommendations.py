"""Recommendations, append-only: a row an act, with the recommendation as the act left it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from assets.stores.journal import CurrentStateLedger, Ledger
from assets.stores.schema.tables_advice import recommendations
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.recommendation import (
    NEXT_STATES,
    Answer,
    Recommendation,
    RecommendationState,
)
from data_quality.contracts.time import Clock

_ANSWERS = Ledger(recommendations, Answer, is_proven=True)


class Recommendations(CurrentStateLedger[Recommendation]):
    """The recommendations of one transactional store. A row that is not as it was sealed is refused, not read."""

    rows = Ledger(recommendations, Recommendation, "recommendation", is_proven=True)
    key, noun = ("site_id", "recommendation_id"), "recommendation"
    mend = "meterloom advise list shows them"

    def current(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[Recommendation]:
        """Recommendations of a site, or of all, as known at T, the largest saving of money first."""
        found = super().current(site_id, as_of_utc=as_of_utc)
        return sorted(found, key=lambda each: (-(each.savings_money or 0), -each.savings_kwh))

    def answers(self, *, person_id: str | None = None, as_of_utc: datetime | None = None) -> list[Answer]:
        """Acceptances and dismissals, of a person or of all, the oldest first."""
        answered = ("accepted", "dismissed")
        return _ANSWERS.history(self.store, as_of_utc=as_of_utc, status=answered, person_id=person_id)

    def add(self, made: Sequence[Recommendation], clock: Clock) -> list[Recommendation]:
        """Record those that are new by their id, and again those that nobody answered and whose cost is another now.

        What people did with the others stands. Returns all as they stand.
        """
        with self.store.together():
            known = {each.recommendation_id: each for site in {one.site_id for one in made}
                     for each in self.current(site)}  # fmt: skip
            new = [each for each in made if _is_news(each, known.get(each.recommendation_id))]
            self.rows.put(self.store, clock, *new)
            known = {name: each for name, each in known.items() if name not in {one.recommendation_id for one in new}}
        return [known.get(each.recommendation_id, each) for each in made]

    def move(
        self, of: Recommendation, status: RecommendationState, clock: Clock, *, person_id: str, reason: str,
        **fields: Any,
    ) -> Recommendation:  # fmt: skip
        """Record an act. fields: those that it sets. Raises BadInput without a reason (no_reason), and for a state
        that does not follow (bad_state).
        """
        if not reason.strip():
            raise BadInput(f"a recommendation is {status} with a reason", reason="no_reason")
        # Read and added in one write transaction: of two people who act at once one is refused.
        with self.store.together():
            now = self.named(of.recommendation_id)
            if status not in NEXT_STATES[now.status]:
                after = ", ".join(NEXT_STATES[now.status]) or "nothing"
                message = f"recommendation {now.recommendation_id} is {now.status}; {after} may follow"
                raise BadInput(message, reason="bad_state")
            changes = {"status": status, "person_id": person_id, "reason": reason.strip(), **fields}
            (after_act,) = self.rows.put(self.store, clock, now.model_copy(update=changes))
        return after_act

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id behind a recommendation, of its present or an earlier state, or None."""
        # Of all that was written only where what stands has it not.
        for read in (self.current, partial(self.rows.history, self.store)):
            for each in read():
                for figure in each.figures:
                    if figure.figure_id == figure_id:
                        return figure
        return None


def _is_news(made: Recommendation, known: Recommendation | None) -> bool:
    """Whether it is to be recorded: unknown so far, or of another cost than the one that nobody answered yet."""
    if known is None:
        return True
    parts = ("cost_money", "interval_cost", "cost_source")
    return known.status == "new" and any(getattr(made, each) != getattr(known, each) for each in parts)
