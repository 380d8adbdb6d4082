"""Sentences of recommendations in a language, as words and places, each with the figures that it quotes."""

import re
from typing import Any

from assets.advice.wording_gate import ComputedSentence, Place
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from reports.advice_words import scope_name
from reports.texts.locales import format_alike, language_of, named, page_word, unit_text

# First of the letters for private use.
_MARK = 0xE000


def worded(site: Site, of: Recommendation, locale: str) -> list[dict[str, Any]]:
    """Sentences of a recommendation in a language, each with the ids of the figures that it quotes."""
    return [{"text": sentence.text, "figure_ids": ids} for sentence, ids in told_sentences(site, of, locale)]


def told_sentences(site: Site, of: Recommendation, locale: str) -> list[tuple[ComputedSentence, list[str]]]:
    """Sentences of a recommendation in a language, as words and places; each with the ids of its figures."""
    found = []
    for sentence in of.sentences:
        places, ids = list[Place](), list[str]()
        for place in sentence.places:
            figure = of.figure(place.figure) if place.figure else None
            if figure is None:
                places.append(Place(page_word(named(scope_name(site, place.text)), locale), is_name=True))
                continue
            [number] = format_alike([figure.value], figure.unit, locale=locale)
            places.append(Place(f"{number} {unit_text(figure.unit)}".rstrip(), figure_id=figure.figure_id))
            ids.append(figure.figure_id)
        # Letters of nobody stand in the places, so that a name cannot be taken for words of the sentence.
        marks = [chr(_MARK + n) for n in range(len(places))]
        parts = (
            re.split(f"([{''.join(marks)}])", page_word(Sentence(sentence.pattern, *marks), locale)) if marks else []
        )
        order = tuple(places[ord(mark) - _MARK] for mark in parts[1::2])
        pieces = tuple(parts[::2]) or (page_word(Sentence(sentence.pattern), locale),)
        found.append((ComputedSentence(pieces, order, language_of(locale)), ids))
    return found
