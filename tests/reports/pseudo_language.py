"""A language made of the English keys, each word with a letter behind it: a word without it never met a catalogue."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from data_quality.contracts.model import Model
from data_quality.contracts.quick_yaml import quick_yaml
from reports.content.templates import BUILT_IN
from reports.texts import locales

CODE, SIGN = "zz", "ø"
_PLACE = re.compile(r"(\{\w*\})")
_WORD = re.compile(r"[^\W\d_]{2,}")
# What stands between spaces is an id or a number with its unit where a digit or one of these is part of it.
_ID = re.compile(r"\S*[\d_/@×=<>#]\S*|\S*\w[:.]\w\S*")
# Units, currencies, and what is called the same in every language.
_SAME = """
kWh MWh kW GJ MJ Wh kg mg CO CO₂ CO₂e CH CH₄ N₂O SF SF₆ NF₃ HFC PFC m² m³ ft °C tCO₂e kgCO₂e EUR USD CZK UTC R² CV RMSE
NMBE RRMSE EnPI IPMVP ISO GRI IFRS SASB CDP ESRS TCFD min PDF JSON XLSX IPCC AR SHA Excel GHG Scope CalTRACK
"""
UNITS = frozenset(_SAME.split())
_UNSEEN = frozenset({"script", "style", "code", "pre"})
_READ = frozenset({"title", "placeholder", "aria-label", "alt"})
# Keys of a model whose texts are people's.
_NAMED = frozenset({"name", "justification", "source", "text", "author", "evidence", "not_applicable"})
_NAMED |= {"organisation", "entity", "owner", "site"}


def marked(english: str) -> str:
    """The pseudo-language's word for an English one: places stay as they are."""
    return "".join(
        part if _PLACE.fullmatch(part) else _WORD.sub(lambda found: f"{found[0]}{SIGN}", part)
        for part in _PLACE.split(english)
    )


@cache
def _keys() -> tuple[dict[str, str], dict[str, str]]:
    """Words of reports and of pages: the keys of German, which is whole."""
    rules = locales.rules_of("de")
    return {key: marked(key) for key in rules.reports}, {key: marked(key) for key in rules.pages}


@contextmanager
def pseudo_language(folder: Path) -> Iterator[str]:
    """The language's code, while it is one of the languages that there are."""
    reports, pages = _keys()
    english = locales.Language()
    made = locales.Language(
        name="Pseudo", thousands=".", mark=",", day="{d}. {m} {y}",
        quarter="{n} " + marked("quarter") + " {y}", months=marked(english.months),
        short_months=marked(english.short_months), weekdays=marked(english.weekdays),
        ordinals=marked(english.ordinals), reports=reports, pages=pages,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for path in locales._FOLDER.glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / f"{CODE}.yaml").write_text(_block(made.model_dump(mode="json")), encoding="utf-8")
    before = locales._FOLDER
    locales._FOLDER = folder
    locales.languages.cache_clear()
    locales._language.cache_clear()
    try:
        yield CODE
    finally:
        locales._FOLDER = before
        locales.languages.cache_clear()
        locales._language.cache_clear()


def names_in(*models: Model) -> frozenset[str]:
    """Words that people gave in a site file, an organisation or an answer: names, reasons, sources."""
    texts = (text for model in models for text in _texts(model.model_dump(mode="json")))
    return frozenset(word for text in texts for word in _WORD.findall(text))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in _NAMED or key.endswith("_id") or isinstance(each, dict | list):
                yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def unwrapped(texts: Iterable[str], names: frozenset[str] = frozenset()) -> dict[str, str]:
    """Runs of words that no catalogue gave, each with its text; names, ids and units are let through."""
    found: dict[str, str] = {}
    for text in texts:
        plain = re.sub("[\u2060\u2068\u2069]", "", text)
        runs, run = list[str](), list[str]()
        for piece in plain.split():
            words = [each for each in _WORD.findall(piece) if not each.casefold().endswith(SIGN)]
            left = [each for each in words if each not in names and each not in UNITS]
            if left and not _ID.fullmatch(piece.strip("(),;.:[]“”\"'")):
                run.append(piece)
            elif run:
                runs.append(" ".join(run))
                run = []
        if run:
            runs.append(" ".join(run))
        for each in runs:
            found.setdefault(each, text)
    return found


def shown_in(content: BaseModel) -> list[str]:
    """Every text of the sections of a content, as its renderers get them."""
    # Of a data point its code is shown nowhere, and names of frameworks are names.
    skipped = {"key", "sheet", "figure_id", "figure_ids", "kind", "tone", "role", "shape", "locale", "mark", "unit"}
    skipped |= {"framework", "part", "source", "id", "edition"}
    return list(_shown(content.model_dump(mode="json", include={"sections", "title", "data"}), skipped))


def _shown(value: object, skipped: set[str]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in skipped:
                yield from _shown(each, skipped)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _shown(each, skipped)


def pseudo_templates(folder: Path) -> dict[str, Path]:
    """The package's templates by name, in a folder, each text that has German in the pseudo-language too."""
    made = {}
    for path in sorted(BUILT_IN.rglob("*.yaml")):
        whole = quick_yaml(path.read_text(encoding="utf-8"))
        made[path.stem] = folder / path.name
        made[path.stem].write_text(_json(_with_pseudo(whole)), encoding="utf-8")
    return made


def _json(value: object) -> str:
    """Without escapes: what has one is left to the careful reader, which takes eight times as long."""
    return json.dumps(value, default=str, ensure_ascii=False)


def _block(document: dict[str, Any]) -> str:
    """A language as its file is written: a line a key."""
    lines = []
    for name, value in document.items():
        is_words = isinstance(value, dict) and value
        lines += [f"{name}:", *(f"  {_json(key)}: {_json(each)}" for key, each in value.items())] if is_words else []
        lines += [] if is_words else [f"{name}: {_json(value)}"]
    return "\n".join(lines) + "\n"


class _Page(HTMLParser):
    """Texts of a page, and of its attributes that people read or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = list[str]()
        self.unseen = list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # What is quoted in another language says which.
        is_quoted = dict(attrs).get("lang", CODE) != CODE
        if (self.unseen and tag == self.unseen[0]) or (not self.unseen and (tag in _UNSEEN or is_quoted)):
            self.unseen.append(tag)
        if not self.unseen:
            self.texts += [text for name, text in attrs if name in _READ and text]

    def handle_endtag(self, tag: str) -> None:
        if self.unseen and tag == self.unseen[0]:
            self.unseen.pop()

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.texts.append(data)


def shown_on(page: str) -> list[str]:
    """Every text of a page of HTML."""
    parser = _Page()
    parser.feed(page)
    return [text for text in parser.texts if text.strip()]


@contextmanager
def pseudo_reports(folder: Path, name: str) -> Iterator[Path]:
    """A project's folder of reports with that template in the pseudo-language, while it is one of the languages."""
    with pseudo_language(folder / "languages"):
        made = folder / "reports" / "templates"
        made.mkdir(parents=True)
        for each, path in pseudo_templates(made).items():
            if each != name:
                path.unlink()
        yield made.parent


def _with_pseudo(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_pseudo(each) for each in value]
    if not isinstance(value, dict):
        return value
    if {"en", "de"} <= value.keys():
        return {**value, CODE: marked(value["en"])}
    return {key: _with_pseudo(each) for key, each in value.items()}
