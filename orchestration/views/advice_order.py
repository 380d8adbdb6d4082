"""The order of recommendations by what a person answered before, and the trial of two ways to advise."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assets.advice.preferences import Answered, Preference, preferences_of, ranked
from assets.stores.ledgers.advice_acts import AdviceActs
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.advice_trial import AdviceTrial
from data_quality.contracts.reporting.recommendation import Answer, Recommendation
from data_quality.contracts.time import Clock

if TYPE_CHECKING:
    from assets.experiments.two_arms import AnsweredAdvice


def preferences(
    store: Store, person_id: str, *, now_utc: datetime, as_of_utc: datetime | None = None
) -> dict[str, Preference]:
    """Preferences of a person by kind, less what was forgotten. The last answer to a recommendation counts."""
    forgotten = AdviceActs(store).forgotten(person_id, as_of_utc=as_of_utc)
    answers = Recommendations(store).answers(person_id=person_id, as_of_utc=as_of_utc)
    last = {one.recommendation_id: one for one in answers}
    kept = [
        Answered(one.kind, one.status == "accepted", one.recorded_at_utc)
        for one in last.values()
        if one.kind not in forgotten or forgotten[one.kind] < one.recorded_at_utc
    ]
    return preferences_of(kept, now_utc=as_of_utc or now_utc)


def ordered(
    store: Store, found: Sequence[Recommendation], *, person_id: str, now_utc: datetime,
    as_of_utc: datetime | None = None,
) -> list[Recommendation]:  # fmt: skip
    """The same recommendations in the order for a person; for nobody (an empty id), that of value.

    While a trial of the learnt order runs, only kinds of its second arm are moved by preferences.
    """
    if not person_id:
        return list(found)
    acts = AdviceActs(store)
    trial = acts.running(as_of_utc=as_of_utc)
    is_tried = trial is not None and trial.compares == "learnt"
    arms = acts.arms(trial, as_of_utc=as_of_utc) if trial is not None and is_tried else {}
    known = preferences(store, person_id, now_utc=now_utc, as_of_utc=as_of_utc)
    return ranked(
        found, known, value_of=lambda one: float(one.savings_money or 0),
        # No kind has that name, so none of its answers is heeded.
        kind_of=lambda one: one.kind if arms.get((one.site_id, one.kind), not is_tried) else "",
    )  # fmt: skip


def draw(store: Store, found: Sequence[Recommendation], clock: Clock) -> None:
    """Store an arm for each site and kind that has none, where a trial runs: before anything of it is shown."""
    from assets.experiments.two_arms import draw_arms

    acts = AdviceActs(store)
    with store.together():
        trial = acts.running()
        if trial is not None:
            pairs = {(one.site_id, one.kind) for one in found}
            acts.draw(trial, draw_arms(pairs, acts.arms(trial), seed=trial.seed), clock)


def trial_summary(store: Store, *, as_of_utc: datetime | None = None) -> dict[str, Any]:
    """The newest trial by the keys of its JSON: arms with answers and realised saving, difference and verdict.

    shown: recommendations that a person has answered since the start. Raises BadInput (no_trial) where there was none.
    """
    from assets.experiments.two_arms import compared, figures_of

    acts = AdviceActs(store)
    begun = acts.newest(as_of_utc=as_of_utc)
    if begun is None or begun.trial is None or begun.recorded_at_utc is None:
        mend = "meterloom advise ab start --as PERSON --reason WHY"
        raise BadInput("there was no trial of two ways to advise yet", reason="no_trial", mend=mend)
    trial, ended = begun.trial, acts.stopped(begun.trial, as_of_utc=as_of_utc)
    until_utc = None if ended is None else ended.recorded_at_utc
    answers = _first_answers(store, acts, trial, begun.recorded_at_utc, until_utc, as_of_utc)
    shown = [one for _, one in answers]
    found = compared(shown, names=trial.names, most_shown=trial.most_shown)
    arms = [
        {"name": name, **figures_of(name, shown, of_other=of_other).model_dump(include={"shown", "accepted"}),
         **_realised(store, [key for key, one in answers if one.of_other == of_other], as_of_utc)}
        for of_other, name in zip((False, True), trial.names, strict=True)
    ]  # fmt: skip
    pairs = acts.arms(trial, as_of_utc=as_of_utc)
    has_result = not isinstance(found, Finding)
    return {
        "trial": {**trial.model_dump(), "started_utc": begun.recorded_at_utc, "stopped_utc": until_utc},
        "arms": arms,
        "verdict": (found.winner or "undecided") if not isinstance(found, Finding) else "insufficient",
        "difference": None if isinstance(found, Finding) else found.difference,
        "interval": None if isinstance(found, Finding) else found.interval,
        "drawn": [
            {"site": site, "kind": kind, "arm": trial.names[other]} for (site, kind), other in sorted(pairs.items())
        ],
        "findings": [] if has_result else [found],
    }


def _first_answers(
    store: Store, acts: AdviceActs, trial: AdviceTrial, start_utc: datetime, until_utc: datetime | None,
    as_of_utc: datetime | None,
) -> "list[tuple[str, AnsweredAdvice]]":  # fmt: skip
    """The first answer to each recommendation whose arm was drawn, with its id, if it was given during the trial."""
    from assets.experiments.two_arms import AnsweredAdvice

    arms, first = acts.arms(trial, as_of_utc=as_of_utc), dict[str, Answer]()
    for one in Recommendations(store).answers(as_of_utc=as_of_utc):
        first.setdefault(one.recommendation_id, one)
    return [
        (key, AnsweredAdvice(one.site_id, one.kind, arms[one.site_id, one.kind], one.status == "accepted"))
        for key, one in first.items()
        if (one.site_id, one.kind) in arms
        and start_utc < one.recorded_at_utc
        and (until_utc is None or one.recorded_at_utc <= until_utc)
    ]


def _realised(store: Store, ids: Sequence[str], as_of_utc: datetime | None) -> dict[str, Any]:
    """Measured savings of these together, kWh, with a 90 % interval: their errors are taken as independent.

    None where none was measured; no interval where one of them has none.
    """
    known = {one.recommendation_id: one for one in Recommendations(store).current(as_of_utc=as_of_utc)}
    measured = [saved for key in ids if (saved := known[key].measured) is not None]
    # Of two at one meter the earlier's saving holds the other's.
    measured = [one for one in measured if all(each.code != "claimed_elsewhere" for each in one.findings)]
    if not measured:
        return {"realised_kwh": None, "interval_kwh": None}
    total = float(sum(each.savings_kwh for each in measured))
    halves = [float(each.interval_kwh[1] - each.interval_kwh[0]) / 2 for each in measured if each.interval_kwh]
    half = sum(each * each for each in halves) ** 0.5
    whole = len(halves) == len(measured)
    return {"realised_kwh": total, "interval_kwh": (total - half, total + half) if whole else None}
