"""Case i of a run: it depends on the seed of the run, the format, i and the good files, and on nothing else."""

import re
from random import Random

from tests.fuzz import mutate
from tests.fuzz.cases import Case, Seed
from tests.fuzz.mutate import ANYWHERE, OF_LINES, OF_TOKENS, Operation, packed
from tests.fuzz.mutate_tables import OF_PARQUET, OF_WORKBOOKS, repacked, rewritten
from tests.fuzz.mutate_text import OF_FORMAT, recount, resealed

_SUFFIXES = (".csv", ".txt", ".xml", "", ".parquet", ".xlsx", ".csv.gz", ".tsv", ".json", ".edi")
_HOW_MANY = (1, 1, 1, 1, 2, 2, 3, 5)
_BINARY = ("xlsx", "parquet")


def make_case(form: str, seeds: list[Seed], *, seed: int, index: int) -> Case:
    """The case of that number."""
    chance = Random(f"{seed}/{form}/{index}")
    chosen = chance.choice(seeds)
    lot = chance.random()
    suffix = chosen.suffix if chance.random() < 0.97 else chance.choice(_SUFFIXES)
    if lot < 0.1:
        return Case(index, chosen, mutate.cut(chosen.data, chance), chosen.suffix, ("cut",), is_cut=True)
    if lot < 0.14:
        name, data, suffix = _rewrapped(form, chosen, chance)
        return Case(index, chosen, data, suffix, (name,), is_neutral=True)
    if lot < 0.18:
        data = mutate.crossed(chosen.data, chance.choice(seeds).data, chance)
        return Case(index, chosen, _mended(form, data, chance), suffix, ("crossed",))
    if lot < 0.182 and form not in _BINARY:
        return Case(index, chosen, mutate.long_line(chosen.data, chance), suffix, ("long_line",))
    data, names = _mutated(form, chosen.data, chance)
    return Case(index, chosen, data, suffix, names)


def _mutated(form: str, data: bytes, chance: Random) -> tuple[bytes, tuple[str, ...]]:
    names = []
    for _ in range(chance.choice(_HOW_MANY)):
        operation = _operation(form, chance)
        if not data and operation is not rewritten:
            break
        data = operation(data, chance)
        names.append(operation.__name__)
    data = _mended(form, data, chance)
    if form not in _BINARY and chance.random() < 0.05:
        data = packed(data)
        names.append("packed")
        if chance.random() < 0.5:
            data = chance.choice(ANYWHERE)(data, chance)
            names.append("broken")
    return data, tuple(names)


def _operation(form: str, chance: Random) -> Operation:
    if form == "xlsx":
        return chance.choice(OF_WORKBOOKS)
    if form == "parquet":
        return chance.choice(OF_PARQUET)
    kinds = chance.choices((OF_FORMAT[form], OF_TOKENS, OF_LINES, ANYWHERE), (45, 30, 12, 13))[0]
    return chance.choice(kinds)


def _mended(form: str, data: bytes, chance: Random) -> bytes:
    """Checks that the change broke made right again, mostly: else nothing behind them would be tried."""
    if form == "dsmr" and chance.random() < 0.8:
        return resealed(data)
    if form == "mscons" and chance.random() < 0.6:
        return recount(data)
    return data


def _rewrapped(form: str, seed: Seed, chance: Random) -> tuple[str, bytes, str]:
    """The same content in another wrapping, with the name's suffix that belongs to it."""
    if form == "xlsx":
        return "repacked", repacked(seed.data), seed.suffix
    if form == "parquet":
        return "renamed", seed.data, chance.choice(_SUFFIXES)
    if seed.data.startswith((b"\xff\xfe", b"\x1f\x8b")):
        return "same", seed.data, seed.suffix
    how = chance.randrange(4)
    if how == 0:
        return "packed", packed(seed.data), f"{seed.suffix}.gz"
    if how == 1:
        return "byte_order_mark", b"\xef\xbb\xbf" + seed.data, seed.suffix
    if how == 2:
        return "line_ends", re.sub(rb"\r?\n", chance.choice((b"\n", b"\r\n")), seed.data), seed.suffix
    if form == "csv":
        text = seed.data.decode()
        both = (b"\xff\xfe" + text.encode("utf-16-le"), b"\xfe\xff" + text.encode("utf-16-be"))
        return "utf16", chance.choice(both), seed.suffix
    return "renamed", seed.data, chance.choice((*_SUFFIXES[:6], ".bin"))
