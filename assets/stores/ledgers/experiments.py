"""Experiments of a site, append-only: the design with every drawn arm, each day as it was followed, and the end."""

from datetime import datetime

from assets.stores.journal import Ledger
from assets.stores.schema.tables_experiments import experiment_acts
from assets.stores.transactions import Repository
from data_quality.contracts.control.experiment import Experiment, ExperimentAct, FollowedDay
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

_ACTS = Ledger(experiment_acts, ExperimentAct, "said", is_proven=True)


class ExperimentStore(Repository):
    """The experiments of one transactional store. A row that is not as it was sealed is refused, not read."""

    def acts(
        self, site_id: str, experiment_id: str | None = None, *, as_of_utc: datetime | None = None
    ) -> list[ExperimentAct]:
        """Everything of a site's experiments, or of one, the oldest first."""
        return _ACTS.history(self.store, as_of_utc=as_of_utc, site_id=site_id, experiment_id=experiment_id)

    def named(self, site_id: str, start: str = "", *, as_of_utc: datetime | None = None) -> Experiment:
        """The newest experiment of a site whose id starts so. Raises BadInput (no_experiment)."""
        begun = [act.experiment for act in self.acts(site_id, as_of_utc=as_of_utc) if act.experiment is not None]
        found = [each for each in begun if each.experiment_id.startswith(start)]
        if not found:
            which = f" whose id starts with {start!r}" if start else ""
            mend = f"meterloom experiment start --site {site_id} --as PERSON --reason WHY"
            raise BadInput(f"there was no experiment at {site_id}{which} yet", reason="no_experiment", mend=mend)
        return found[-1]

    def newest(self, site_id: str) -> Experiment | None:
        """The design of the experiment that was started last; None: there was none."""
        begun = [act.experiment for act in self.acts(site_id) if act.experiment is not None]
        return begun[-1] if begun else None

    def running(self, site_id: str) -> Experiment | None:
        """The newest, where nobody stopped it."""
        newest = self.newest(site_id)
        stopped = newest is not None and any(act.act == "stop" for act in self.acts(site_id, newest.experiment_id))
        return None if stopped else newest

    def start(self, experiment: Experiment, *, person_id: str, reason: str, clock: Clock) -> ExperimentAct:
        """Record a design. Raises BadInput where another runs or waits, or where its first day has begun."""
        with self.store.together():
            now_utc, other = clock.now_utc(), self.running(experiment.site_id)
            if other is not None and other.end_utc > now_utc:
                raise BadInput(
                    f"experiment {other.experiment_id} of {experiment.site_id} runs until {other.end_utc:%Y-%m-%d}: "
                    "one at a time, or their days would be mixed",
                    reason="experiment_runs",
                    mend=f"meterloom experiment stop --site {experiment.site_id}",
                )
            if experiment.start_utc <= now_utc:
                raise BadInput("the first day has begun, and arms are stored before", reason="day_begun")
            return self._add(
                ExperimentAct(
                    experiment_id=experiment.experiment_id, site_id=experiment.site_id, act="start",
                    person_id=person_id, reason=reason, experiment=experiment,
                ),
                clock,
            )  # fmt: skip

    def stop(self, experiment: Experiment, *, person_id: str, reason: str, clock: Clock) -> ExperimentAct:
        """Record the end of an experiment: from now on every day follows the plan."""
        return self._add(
            ExperimentAct(
                experiment_id=experiment.experiment_id, site_id=experiment.site_id, act="stop", person_id=person_id,
                reason=reason,
            ),
            clock,
        )  # fmt: skip

    def follow(self, experiment: Experiment, day: FollowedDay, clock: Clock) -> None:
        """Record how a day is followed; what changes within it is a further row, what does not is none."""
        with self.store.together():
            acts = self.acts(experiment.site_id, experiment.experiment_id)
            known = [act.day for act in acts if act.day is not None and act.day.start_utc == day.start_utc]
            if known and known[-1].followed == day.followed:
                return
            # What the first plan of a day said of it stays: a later one knows what the arm has done.
            first = known[0].is_comparable if known else day.is_comparable
            self._add(
                ExperimentAct(
                    experiment_id=experiment.experiment_id, site_id=experiment.site_id, act="day",
                    day=day.model_copy(update={"is_comparable": first}),
                ),
                clock,
            )  # fmt: skip

    def days(self, experiment: Experiment) -> list[FollowedDay]:
        """The days that were planned so far, each as in its first plan or, where it was left later, as left."""
        acts = self.acts(experiment.site_id, experiment.experiment_id)
        return [act.day for act in acts if act.day is not None]

    def _add(self, act: ExperimentAct, clock: Clock) -> ExperimentAct:
        (made,) = _ACTS.put(self.store, clock, act)
        return made
