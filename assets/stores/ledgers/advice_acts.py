"""Acts about recommendations, append-only: trials of two ways to advise, drawn arms, what is forgotten, wordings."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from assets.stores.journal import Ledger
from assets.stores.schema.tables_advice import advice_acts
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.advice_trial import AdviceAct, AdviceTrial, DrawnKind, Wording
from data_quality.contracts.time import Clock

_ACTS = Ledger(advice_acts, AdviceAct, "said", is_proven=True)
Pair = tuple[str, str]


class AdviceActs(Repository):
    """The acts of one transactional store. A row that is not as it was sealed is refused, not read."""

    def newest(self, *, as_of_utc: datetime | None = None) -> AdviceAct | None:
        """The start of the trial that began last; None: there was none."""
        return _ACTS.latest(self.store, as_of_utc=as_of_utc, act="start")

    def stopped(self, trial: AdviceTrial, *, as_of_utc: datetime | None = None) -> AdviceAct | None:
        """The end of a trial, or None."""
        return _ACTS.latest(self.store, as_of_utc=as_of_utc, act="stop", about=trial.trial_id)

    def running(self, *, as_of_utc: datetime | None = None) -> AdviceTrial | None:
        """The newest trial, where nobody stopped it."""
        begun = self.newest(as_of_utc=as_of_utc)
        trial = None if begun is None else begun.trial
        return None if trial is None or self.stopped(trial, as_of_utc=as_of_utc) else trial

    def arms(self, trial: AdviceTrial, *, as_of_utc: datetime | None = None) -> dict[Pair, bool]:
        """The arm of each (site, kind) that was drawn; True: the second."""
        acts = _ACTS.history(self.store, as_of_utc=as_of_utc, act="draw", about=trial.trial_id)
        return {(one.site_id, one.kind): one.is_other for act in acts for one in act.drawn}

    def start(self, trial: AdviceTrial, clock: Clock, *, person_id: str, reason: str) -> None:
        """Record a design. Raises BadInput (trial_runs) while another runs."""
        with self.store.together():
            other = self.running()
            if other is not None:
                raise BadInput(
                    f"trial {other.trial_id} runs: one at a time, or their arms would be mixed",
                    reason="trial_runs",
                    mend="meterloom advise ab stop",
                )
            act = AdviceAct(act="start", about=trial.trial_id, trial=trial, person_id=person_id, reason=reason)
            _ACTS.put(self.store, clock, act)

    def stop(self, trial: AdviceTrial, clock: Clock, *, person_id: str, reason: str) -> None:
        """Record the end of a trial: nothing is drawn, and nothing counted, from now on."""
        act = AdviceAct(act="stop", about=trial.trial_id, person_id=person_id, reason=reason)
        _ACTS.put(self.store, clock, act)

    def draw(self, trial: AdviceTrial, arms: Mapping[Pair, bool], clock: Clock) -> None:
        """Record the arms of pairs that have none yet."""
        new = sorted(set(arms) - set(self.arms(trial)))
        if new:
            drawn = tuple(DrawnKind(site_id=site, kind=kind, is_other=arms[site, kind]) for site, kind in new)
            _ACTS.put(self.store, clock, AdviceAct(act="draw", about=trial.trial_id, drawn=drawn))

    def forget(self, kind: str, clock: Clock, *, person_id: str, reason: str) -> None:
        """Record that what a person answered to a kind so far counts no more for their order."""
        _ACTS.put(self.store, clock, AdviceAct(act="forget", about=kind, person_id=person_id, reason=reason))

    def forgotten(self, person_id: str, *, as_of_utc: datetime | None = None) -> dict[str, datetime]:
        """When a person's preference for a kind was forgotten last, by kind."""
        acts = _ACTS.history(self.store, as_of_utc=as_of_utc, act="forget", person_id=person_id)
        return {act.about: act.recorded_at_utc for act in acts if act.recorded_at_utc is not None}

    def word(self, recommendation_id: str, wordings: Sequence[Wording], clock: Clock) -> None:
        """Record a language model's answers for the sentences of a recommendation, the refused ones, too."""
        act = AdviceAct(act="word", about=recommendation_id, wordings=tuple(wordings))
        _ACTS.put(self.store, clock, act)

    def wordings(self, recommendation_id: str, *, as_of_utc: datetime | None = None) -> tuple[Wording, ...]:
        """Answers of a language model for a recommendation, those that were refused among them."""
        acts = _ACTS.history(self.store, as_of_utc=as_of_utc, act="word", about=recommendation_id)
        return tuple(one for act in acts for one in act.wordings)
