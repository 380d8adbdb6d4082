"""Arabic letters in the forms that they take beside each other: initial, medial, final, isolated.

The forms are read from the character database itself: a presentation form decomposes to its letter and its place.
"""

import unicodedata
from functools import lru_cache

_LAM = "\u0644"
_PLACES = {"<isolated>": 0, "<final>": 1, "<initial>": 2, "<medial>": 3}


@lru_cache
def _forms() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Letter -> its four forms ('' where it has none); lam-alef pair -> isolated and final ligature."""
    single: dict[str, list[str]] = {}
    pairs: dict[str, list[str]] = {}
    # Presentation Forms-B from hamza to lam-alef; before them stand marks, which have no places.
    for code in range(0xFE80, 0xFEFD):
        place, *letters = unicodedata.decomposition(chr(code)).split()
        text = "".join(chr(int(letter, 16)) for letter in letters)
        target = single if len(text) == 1 else pairs
        target.setdefault(text, ["", "", "", ""])[_PLACES[place]] = chr(code)
    return single, pairs


def joined(text: str) -> str:
    """The text with each Arabic letter in the form of its place; other letters stay. Lam-alef becomes one sign."""
    single, pairs = _forms()
    units: list[str] = []
    for letter in text:
        if units and units[-1] == _LAM and units[-1] + letter in pairs:
            units[-1] += letter
        else:
            units.append(letter)
    forms = [pairs.get(unit) or single.get(unit) for unit in units]
    # Marks above and below join nothing and break nothing.
    solid = [index for index, unit in enumerate(units) if unicodedata.category(unit[-1]) != "Mn"]
    shown = list(units)
    for place, index in enumerate(solid):
        mine = forms[index]
        if mine is None:
            continue
        before = forms[solid[place - 1]] if place else None
        after = forms[solid[place + 1]] if place + 1 < len(solid) else None
        is_joined_before = before is not None and bool(before[2]) and bool(mine[1])
        is_joined_after = bool(mine[2]) and after is not None and bool(after[1])
        form = mine[3] if is_joined_before and is_joined_after else mine[1] if is_joined_before else ""
        if not form and is_joined_after:
            form = mine[2]
        shown[index] = form or mine[0] or units[index]
    return "".join(shown)
