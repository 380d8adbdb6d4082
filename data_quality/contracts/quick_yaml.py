"""The quick reader of YAML: everyday documents as plain values, and everything else left to the careful one."""

import re
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from data_quality.contracts.yaml_file import SCALAR_RULES, load_model, text_of

M = TypeVar("M", bound=BaseModel)
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Not everyday: directives and further documents, signs that end a line or are none, tabs, escapes, a quoted key without
# a value, and what begins an alias, a tag or a text of several lines but a folded one.
_UNUSUAL = re.compile(
    r"^(?:%|---|\.\.\.)|[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\\]"
    r"""|["']\s*:\s*[\]},]|(?:^|[\s\[{,])[&*!|>?]""",
    re.MULTILINE,
)
# A line that says nothing to a reader.
_REMARK = re.compile(r"^ *#.*$", re.MULTILINE)
# A line of one quoted key with a quoted text, in which a backslash and a quote may be escaped: everyday in itself.
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]|\\["\\])+"'
_QUOTED_LINE = re.compile(f"^ +{_QUOTED}: {_QUOTED}$", re.MULTILINE)
# A key whose text is folded out of the lines below, which are looked at as all others are. The first one holds
# something: of blanks alone there, the one reader makes a beginning and the other a mistake.
_FOLDED = re.compile(r"^( *(?:- )?\w+:) >-(?=\n +\S)", re.MULTILINE)


class NotEveryday(ValueError):
    """The text holds what is left to the careful reader."""


def read_model(path: Path, model: type[M]) -> M:
    """As `load_model`, and quick where the file is everyday. The agent, which reads few files, has no second library
    for that. Raises as `load_model`.
    """
    quick = quick_model(path, model)
    return load_model(path, model) if quick is None else quick


def quick_model(path: Path, model: type[M]) -> M | None:
    """The model of an everyday file without a mistake; None where `load_yaml` has to look. Raises BadInput."""
    text = text_of(path)
    with suppress(NotEveryday, ValidationError):
        # Who has no mistake needs no places in the file, and reading them costs fifteen times as much.
        document = quick_yaml(text)
        return model.model_validate({} if document is None else document)
    return None


def quick_yaml(text: str) -> Any:
    """The document of a text as plain values, by libyaml: in an eighth of the time that keeping every place costs.

    Taken is what both readers take alike, by the rules of the careful one: mappings, lists, texts of one line or
    folded, plain numbers, days, true, false and null. Raises NotEveryday for all else and for every mistake: the
    careful reader says what is wrong, and where.
    """
    import yaml

    if not yaml.__with_libyaml__ or _UNUSUAL.search(_everyday_shortened(text)):
        raise NotEveryday
    try:
        # A loader of the safe kind, of which the constructors below are left.
        return yaml.load(text, Loader=_loader())  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotEveryday from error


def _everyday_shortened(text: str) -> str:
    """The text without what is everyday by itself. Below a folded text a remark may be a line of it, and stays."""
    folded = _FOLDED.sub(r"\1", text)
    return _QUOTED_LINE.sub("", folded if folded != text else _REMARK.sub("", text))


@cache
def _loader() -> Any:
    import yaml

    class Everyday(yaml.CSafeLoader):  # type: ignore[misc]
        """Of YAML 1.2, and of that what is everyday."""

        yaml_implicit_resolvers: Any = {}
        yaml_constructors: Any = {None: _other}

    for tag, pattern, firsts in SCALAR_RULES:
        Everyday.add_implicit_resolver(tag, pattern, firsts)
    prefix = "tag:yaml.org,2002:"
    for name, make in {"map": _mapping, "int": _number, "float": _number, "timestamp": _day}.items():
        Everyday.add_constructor(prefix + name, make)
    for name in ("str", "null", "seq"):
        Everyday.add_constructor(prefix + name, yaml.SafeLoader.yaml_constructors[prefix + name])
    Everyday.add_constructor(prefix + "bool", lambda _, node: node.value.lower() == "true")
    return Everyday


def _mapping(loader: Any, node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in found:
            raise NotEveryday
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _number(_: Any, node: Any) -> float:
    if _WHOLE.fullmatch(node.value):
        return int(node.value)
    if _DECIMAL.fullmatch(node.value):
        return float(node.value)
    raise NotEveryday


def _day(_: Any, node: Any) -> date:
    if not _DAY.fullmatch(node.value):
        raise NotEveryday
    return date.fromisoformat(node.value)


def _other(*_: Any) -> Any:
    raise NotEveryday
