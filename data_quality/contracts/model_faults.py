"""Faults of a value or of a YAML text in our words: what was expected, and what was probably meant.

The libraries' own texts (pydantic, ruamel) name types and tokens, which nobody writes into a site file.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence, Text

# pydantic's kind of error -> what was expected; braces are filled from its context.
_EXPECTED = {
    "string_type": "a text",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "finite_number": "a finite number",
    "decimal_max_digits": "{max_digits} digits at most",
    "decimal_max_places": "{decimal_places} decimals at most",
    "decimal_whole_digits": "{whole_digits} digits before the decimal mark at most",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "missing": "a value",
    "date_type": "a date, as 2025-03-31",
    "date_parsing": "a date, as 2025-03-31",
    "date_from_datetime_parsing": "a date, as 2025-03-31",
    "date_from_datetime_inexact": "a date without a time, as 2025-03-31",
    "datetime_type": "a time, as 2025-03-31T14:00:00Z",
    "datetime_parsing": "a time, as 2025-03-31T14:00:00Z",
    "datetime_from_date_parsing": "a time, as 2025-03-31T14:00:00Z",
    "timezone_aware": "a time with its offset, as 2025-03-31T14:00:00Z",
    "time_parsing": "a time of day, as 06:30",
    "tuple_type": "a list, as [a, b]",
    "list_type": "a list, as [a, b]",
    "set_type": "a list, as [a, b]",
    "dict_type": "keys with their values, as {{key: value}}",
    "model_type": "keys with their values, as {{key: value}}",
    "model_attributes_type": "keys with their values, as {{key: value}}",
    "too_short": "{min_length} or more of them",
    "too_long": "{max_length} of them at most",
    "string_too_short": "a text of {min_length} or more characters",
    "string_too_long": "a text of {max_length} characters at most",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "union_tag_invalid": "{discriminator} of {expected_tags}",
    "union_tag_not_found": "a key {discriminator}, which says of what kind it is",
}
# The form of a text -> its description. Every pattern of a model of ours stands here (tests/contracts).
PATTERNS = {
    r"^[A-Za-z0-9(][A-Za-z0-9().: -]{0,39}$": "letters, digits, brackets, points, colons, blanks and -, 40 at most, as "
    "302-1-a",
    r"^[A-Za-z0-9._-]+$": "letters, digits, points, - and _, as 2016",
    r"^[a-z0-9][a-z0-9_-]{0,63}$": "lower-case letters, digits, - and _, 64 at most, as main_meter",
    r"^[a-z0-9][a-z0-9_]{0,63}$": "lower-case letters, digits and _, 64 at most, as total_kwh",
    r"^[a-z0-9][a-z0-9_-]{0,63}/[a-z0-9][a-z0-9_-]{0,63}$": "a site and its use, as office/cooling",
    r"^[a-z]+:[a-z0-9][a-z0-9_-]{0,63}$": "a kind and an id, as meter:main",
    r"^[a-z][a-z0-9_]{0,63}$": "a letter, then lower-case letters, digits and _, 64 at most, as night_watch",
    r"^[a-z][a-z0-9_]*$": "lower-case letters, digits and _, as heat_pump",
    r"^[^\s\x00-\x1f]+$": "no spaces and line breaks, as anna@example.com",
    r"^[a-z0-9_.-]+$": "lower-case letters, digits, . - and _, as anna",
    r"^[a-z0-9_]{1,80}$": "lower-case letters, digits and _, 80 at most, as plan_cost",
    r"^[A-Za-z0-9_/-]{1,80}$": "letters, digits, _, - and /, 80 at most, as homeassistant",
    r"^[a-z]{2}$": "two lower-case letters, as en",
    r"^[A-Z]{3}$": "three capital letters (ISO 4217), as EUR",
    r"^[A-Z]{2}$": "two capital letters (ISO 3166), as DE",
    r"^[ABCD]$": "A, B, C or D",
    r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$": "a time of day, as 06:30",
    r"^\S(.{0,78}\S)?$": "one line of 80 characters at most, without blanks at its ends",
    r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$": "letters, digits and _ . : / -, 128 at most, as meter/power",
    r"^([A-Z][A-Z0-9_]{2,63})?$": "the name of an environment variable, as METER_PASSWORD",
    r"^([0-9A-F]{2}(:[0-9A-F]{2}){9})?$": "ten pairs of hexadecimal digits with colons, as 0A:1B:…",
    r"^read_[a-z0-9_]+$": "a value that a template reads, as read_power_kw",
    r"^[a-z][a-z-]+,\d{1,7}$": "a BACnet object, as analog-input,1",
    r"^[A-Za-z0-9._-]{1,253}(:\d{1,5})?$": "host or host:port, as 10.0.0.5:502",
    r"^\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\.255)?$": "an OBIS code, as 1-0:1.8.0",
    r"^(s3://[a-z0-9][a-z0-9.-]+(/[\w.=-]+)*/?)?$": "s3://BUCKET/PREFIX, or nothing",
    r"^([0-9a-f]{64})?$": "a SHA-256 of 64 digits 0-9 and a-f, or nothing",
    r"^[0-9a-f]{64}$": "a SHA-256 of 64 digits 0-9 and a-f",
}
# What was probably meant; {0} is in quotes.
MEANT = "did you mean {0}?"
_QUOTED, _FACT = re.compile(r"'([^']*)'"), re.compile(r"(?<!\{)\{(\w+)\}")
# What ruamel says -> what is wrong, and what to do; {0} is what the first group found.
_YAML = (
    (r"expected ',' or ']'", "a list that begins with [ is not closed before this", "close it with ]"),
    (r"expected ',' or '}'", "a block that begins with { is not closed before this", "close it with }"),
    (
        r"expected <block end>, but found '<scalar>'",
        "text follows the end of a quoted text",
        "close quotes at the end of the value, and write a quote inside '…' twice",
    ),
    (
        r"expected <block end>",
        "this line is indented differently from the lines that it belongs to",
        "begin it in the column of its neighbours",
    ),
    (r"mapping values are not allowed", "a second ': ' in one value", "put a value that holds ': ' in quotes"),
    (r"found character '\\t'", "a tab at the beginning of a line", "indent with blanks"),
    (r"found character '(.)' that cannot start", "a value cannot begin with {0}", "put it in quotes"),
    (r"undefined alias '(.*)'", "*{0} stands for a value that nothing names (&{0})", "put a text with * in quotes"),
    (r'duplicate key "(.*?)" with value', "key {0!r} appears twice", "keep one of the two"),
    (
        r"could not find expected ':'",
        "a line that is neither 'key: value' nor an item '- …'",
        "put ': ' behind the key",
    ),
    (r"unexpected end of stream", "a quote is opened and not closed", "close it"),
    (r"unknown escape character", '\\ begins an escape inside "…"', "write \\\\, or use '…'"),
    (r"another document|a single document", "a second document begins (---)", "put each into a file of its own"),
    (r"duplicate anchor", "an anchor (&) is named twice", "give each a name of its own"),
)


def did_you_mean(given: Any, known: list[str]) -> str:
    """`did you mean 'kwh'?` where one of the known is near; else empty."""
    by_case, word = {each.lower(): each for each in known}, str(given).strip().lower()
    # Of short words letters in another order are nearest: khw is kwh, and no kw.
    near = [each for each in by_case if sorted(each) == sorted(word)]
    near = near or difflib.get_close_matches(word, list(by_case), n=3, cutoff=0.66)
    # Of equally near ones that which has the word's letters at their places, then the first of the known.
    alike = {each: difflib.SequenceMatcher(None, word, each).ratio() for each in near}
    near.sort(key=lambda each: (-alike[each], -_in_place(word, each), list(by_case).index(each)))
    return Sentence(MEANT, repr(by_case[near[0]])) if near else ""


def nearest_key(given: str, known: list[str]) -> str:
    """The key that was probably meant, empty where none is near: `full_min` is nearest to `full_degc`."""
    # Of one quantity in another unit first: its letters may have little in common with the right one.
    stem = given.rpartition("_")[0]
    of_quantity = [key for key in known if stem and key.rpartition("_")[0] == stem]
    # What its unit is written as says little: the shorter one is no nearer for that.
    near = sorted(of_quantity, key=lambda key: (-_shared(given, key), -_in_place(given, key)))[:1]
    near = near or difflib.get_close_matches(given, known, n=1)
    return near[0] if near else ""


def _in_place(one: str, other: str) -> int:
    return sum(a == b for a, b in zip(one, other, strict=False))


def _shared(one: str, other: str) -> int:
    return sum(block.size for block in difflib.SequenceMatcher(None, one, other).get_matching_blocks())


def value_in_words(fault: Mapping[str, Any]) -> tuple[Text, Text]:
    """One of pydantic's errors as (what was expected, mend or empty)."""
    kind, facts, given = fault["type"], dict(fault.get("ctx", {})), fault.get("input")
    if kind == "string_pattern_mismatch":
        return _of_pattern(str(facts["pattern"]), str(given))
    if kind in _EXPECTED:
        facts |= {key: f"{each:g}" for key, each in facts.items() if isinstance(each, float)}
        message = _expected(_EXPECTED[kind], facts)
        choices = _QUOTED.findall(str(facts.get("expected", "") or facts.get("expected_tags", "")))
        return message, did_you_mean(facts.get("tag", given), choices)
    cause = getattr(facts.get("error"), "__cause__", None)
    return str(fault["msg"]).removeprefix("Value error, "), cause.mend if isinstance(cause, BadInput) else ""


def _expected(pattern: str, facts: Mapping[str, Any]) -> Sentence:
    """Sentence on the expected value, its facts at numbered places."""
    names = _FACT.findall(pattern)
    numbered = _FACT.sub(lambda found: f"{{{names.index(found[1])}}}", f"expected {pattern}")
    return Sentence(numbered, *(facts[name] for name in names)) if names else Sentence(numbered.format())


def sentence_of(fault: Mapping[str, Any]) -> str:
    """As value_in_words, in one text."""
    return "; ".join(filter(None, value_in_words(fault)))


def yaml_in_words(text: str) -> tuple[Text, Text]:
    """Fault that ruamel found, as (what it is, mend)."""
    for pattern, message, mend in _YAML:
        if found := re.search(pattern, text):
            return _of_yaml(message, found), _of_yaml(mend, found)
    return Sentence("expected 'key: value' lines, lists as [a, b] or '- ' items"), Sentence(
        "look at this line and the one above"
    )


def _of_yaml(pattern: str, found: re.Match[str]) -> Sentence:
    return Sentence(pattern, *found.groups()) if "{0" in pattern else Sentence(pattern)


def _of_pattern(pattern: str, given: str) -> tuple[Text, Text]:
    words = PATTERNS.get(pattern, f"a text of the form {pattern}")
    slug = re.sub(r"[^a-z0-9_-]+", "_", given.lower()).strip("_-")
    meant = next((each for each in (given.strip(), given.upper(), given.lower(), slug) if re.search(pattern, each)), "")
    return Sentence(f"expected {words}"), Sentence(MEANT, repr(meant)) if meant else ""
