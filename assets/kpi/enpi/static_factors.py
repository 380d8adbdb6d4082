"""Static factors of a use that changed after its baseline, and whether an adjustment answers the change."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from data_quality.contracts.baselines.adjustment import Adjustment
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Seu


class StaticChange(Model):
    """One change of a static factor: from its day on the use is not the one that the baseline was fitted on."""

    name: str
    before: str
    after: str
    changed_on: date


def static_changes(seu: Seu, *, since: date, until: date) -> list[StaticChange]:
    """Changes of value of the SEU's static factors on local dates [since, until), oldest first."""
    found = []
    for name in dict.fromkeys(each.name for each in seu.static_factors):
        dated = sorted((each for each in seu.static_factors if each.name == name), key=lambda each: each.valid_from)
        found += [
            StaticChange(name=name, before=old.value, after=new.value, changed_on=new.valid_from)
            for old, new in pairwise(dated)
            if new.value != old.value and since <= new.valid_from < until
        ]
    return sorted(found, key=lambda each: (each.changed_on, each.name))


def unanswered_changes(
    seu: Seu, baseline: Baseline, adjustments: Sequence[Adjustment], *, start: date, end: date
) -> list[StaticChange]:
    """Changes since the training began that hold in the period [start, end) and that no adjustment answers.

    An adjustment answers a change where it holds on the first day of the period on which the change does. A change
    inside of the training period can be answered by no adjustment: the model was fitted on two different uses.
    """
    found = []
    for change in static_changes(seu, since=baseline.train_start, until=end):
        first = max(change.changed_on, start)
        is_answered = change.changed_on >= baseline.train_end and any(
            each.start <= first < each.end for each in adjustments
        )
        if not is_answered:
            found.append(change)
    return found
