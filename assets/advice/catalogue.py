"""Kinds of recommendation as `kinds.yaml` says them: difficulty, sentences, roles of meters."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import Field

from data_quality.contracts.model import Model
from data_quality.contracts.quick_yaml import read_model


class Kind(Model):
    """One kind. found: pattern and the names of what stands in its places; fails: what must be true for it to fail.

    overlaps: kinds that save the same lines of a bill; of two the surer keeps its saving.
    """

    difficulty: int = Field(ge=1, le=5)
    workflow: str
    found: tuple[str, tuple[str, ...]]
    fails: str
    overlaps: frozenset[str] = frozenset()


class KindCatalogue(Model):
    """All kinds by name, and the words in a meter's id that give it a role."""

    roles: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, Kind]


@cache
def catalogue() -> KindCatalogue:
    """The kinds of this package."""
    return read_model(Path(__file__).parent / "kinds.yaml", KindCatalogue)


def roles_of(meter_id: str) -> frozenset[str]:
    """Roles that the words of a meter's id give it.

    >>> sorted(roles_of("compressor_1"))
    ['compressed_air']
    """
    words = set(re.split(r"[-_]", meter_id))
    return frozenset(role for role, known in catalogue().roles.items() if words.intersection(known))
