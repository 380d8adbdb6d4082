"""The gate for a language model's wording of a sentence: numbers, units, signs and names exactly as computed, or none.

It lets in what it knows and refuses the rest: places whole and in their order, words of the sentence, and a closed list
of words beside them. A number in words, a digit of another script or another site's name is in none of these.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unicodedata import category, normalize

from data_quality.contracts.model import Model
from data_quality.contracts.quick_yaml import read_model

# Beside words: what ends and parts sentences. No dash, no stroke, no sign stands among them.
_MARKS = frozenset(" \u00a0.,;:()'\"’“”„«»،؛؟")
_BEFORE = frozenset(" \u00a0('\"“„«")
_AFTER = frozenset(" \u00a0.,;:)'\"”“»،؛")
_LONGEST = 3


class Words(Model):
    """Words of a language that a wording may have in addition to its sentence's own. turns: by their meaning."""

    plain: tuple[str, ...]
    turns: Mapping[str, tuple[str, ...]]


class _Languages(Model):
    en: Words
    de: Words
    ar: Words


@dataclass(frozen=True)
class Place:
    """A number with its unit, or a name, as the sentence writes it. figure_id: of the number, where it has one."""

    text: str
    is_name: bool = False
    figure_id: str = ""


@dataclass(frozen=True)
class ComputedSentence:
    """A computed sentence. pieces: the words around its places, one more than there are places."""

    pieces: tuple[str, ...]
    places: tuple[Place, ...]
    language: str

    @property
    def text(self) -> str:
        """The sentence as people read it."""
        return "".join(a + b for a, b in zip(self.pieces, (*(each.text for each in self.places), ""), strict=True))


@cache
def words_of(language: str) -> Words | None:
    """The closed list of a language, or None where there is none."""
    known = read_model(Path(__file__).parent / "plain_words.yaml", _Languages)
    return getattr(known, language, None)


def refused_wording(text: str, sentence: ComputedSentence) -> str | None:
    """Why a wording may not stand for a sentence; None: it may."""
    words = words_of(sentence.language)
    if words is None:
        return "no words of this language are known"
    if not text.strip() or len(text) > _LONGEST * len(sentence.text) + 80:
        return "it is empty, or far longer than the sentence"
    pieces = _between_places(text, sentence)
    if isinstance(pieces, str):
        return pieces
    for piece in pieces:
        for letter in piece:
            if category(letter)[0] == "N":
                return "it has a number that the sentence has not"
            if not _is_letter(letter) and letter not in _MARKS and not (letter == "-" and _is_within(piece)):
                return f"it has the character U+{ord(letter):04X}, which no wording needs"
    return _other_words(pieces, sentence, words)


def _between_places(text: str, sentence: ComputedSentence) -> list[str] | str:
    """The text around the places, each found whole, once and in order; else why not."""
    pieces, at = list[str](), 0
    for index, place in enumerate(sentence.places):
        found = text.find(place.text, at)
        if found < 0:
            return "a number, unit or name of the sentence is missing, changed or in another order"
        end = found + len(place.text)
        before, after = text[at:found], text[end : end + 1]
        # A language may write "and" and the number as one word; then the sentence does, too.
        is_glued = bool(before) and _is_letter(before[-1]) and before.split()[-1] == _last_word(sentence.pieces[index])
        if found and not (is_glued or (before and before[-1] in _BEFORE)):
            return "something stands before a number or name that may turn it"
        if after and after not in _AFTER:
            return "something stands behind a number or name that may turn it"
        pieces.append(before)
        at = end
    return [*pieces, text[at:]]


def _last_word(piece: str) -> str:
    """The word that a piece ends in, without a blank behind it; empty where it ends otherwise."""
    return piece.rsplit(maxsplit=1)[-1] if piece and _is_letter(piece[-1]) else ""


def _other_words(pieces: list[str], sentence: ComputedSentence, words: Words) -> str | None:
    turns = {word: meaning for meaning, each in words.turns.items() for word in each}
    plain = frozenset(words.plain)
    own, written = ([_tokens(piece) for piece in each] for each in (sentence.pieces, pieces))
    left = Counter(word for each in own for word in each)
    for word in (word for each in written for word in each):
        if word in turns or word in plain:
            continue
        if not left[word]:
            return f"the word {word[:40]!r} is neither the sentence's nor on the list"
        left[word] -= 1
    # A dropped "not", or "before" for "after", tells the opposite with the same numbers.
    if [[turns[word] for word in each if word in turns] for each in own] != [
        [turns[word] for word in each if word in turns] for each in written
    ]:
        return "a word that turns the meaning is added, left out or elsewhere"
    # Of "5 months" the unit is a word of the sentence.
    behind = [[_first_word(piece) for piece in each[1:]] for each in (sentence.pieces, pieces)]
    for place, ours, theirs in zip(sentence.places, *behind, strict=True):
        if not place.is_name and ours and ours not in turns and ours not in plain and theirs != ours:
            return "the word behind a number is another"
    return None


def _first_word(piece: str) -> str:
    """The word that stands behind a number with nothing but a blank between; empty where none does."""
    bare = piece.lstrip()
    return _tokens(bare)[0] if bare and _is_letter(bare[0]) else ""


def _tokens(piece: str) -> list[str]:
    """Words of a text in lower case."""
    return "".join(each if _is_letter(each) else " " for each in normalize("NFC", piece).casefold()).split()


def _is_letter(letter: str) -> bool:
    return category(letter)[0] in "LM"


def _is_within(piece: str) -> bool:
    """Whether every hyphen stands within a word."""
    padded = f" {piece} "
    return all(_is_letter(padded[at - 1]) and _is_letter(padded[at + 1]) for at, one in enumerate(padded) if one == "-")
