"""Flags of slots as bits, to compare two validations slot by slot."""

import numpy as np
from numpy.typing import NDArray

from data_quality.rules.rule_table import RULES
from data_quality.validate import Judged

# In the order of the table.
BITS: dict[str, int] = {name: 1 << place for place, name in enumerate(RULES)}


def flags_of(judged: Judged) -> NDArray[np.uint16]:
    """[streams, slots] BITS of the rules that flagged the slot."""
    out = np.zeros(judged.days.grid.values.shape, np.uint16)
    for event in judged.events:
        out[event.row, event.first : event.end] |= BITS[event.rule]
    return out
