"""The one YAML loader: every complaint names file, line and column, and the values that were allowed."""

import difflib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import implicit_resolvers

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import MEANT, nearest_key, value_in_words, yaml_in_words
from data_quality.contracts.sentence import Sentence, Text, sentences

M = TypeVar("M", bound=BaseModel)
# Tag, pattern and first signs of what is no text in YAML 1.2.
SCALAR_RULES = [(tag, pattern, firsts) for versions, tag, pattern, firsts in implicit_resolvers if (1, 2) in versions]
# A site of ten thousand meters has 2 MiB and 100,000 values.
MAX_BYTES, MAX_VALUES, MAX_BRACKETS = 8 << 20, 2_000_000, 500
# Keys whose values hold, or may hold, a password: what is wrong with one is said without it.
SECRET_ENDINGS = ("password", "secret", "url")
# A longer list of keys helps nobody beside the one that was probably meant.
MOST_KEYS = 36
_SCALAR = re.compile(r"""'[^'\n]*'|"[^"\\\n]*"|[^\s,{}\[\]#'"][^\s,{}\[\]]*""")


class Problem(BaseModel):
    """One fault of a configuration file, as `meterloom check` prints it."""

    file: str
    line: int
    column: int
    message: Text
    mend: Text = ""


class BadConfiguration(BadInput):
    """A configuration file with one or more problems; the message is the first of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(
            first.message + (f"; {first.mend}" if first.mend else "") + more,
            file=first.file,
            line=first.line,
            column=first.column,
            reason="bad_configuration",
            mend=first.mend,
        )


def problems_of(fault: BadInput) -> list[Problem]:
    """Every mistake that a refusal is about."""
    if isinstance(fault, BadConfiguration):
        return fault.problems
    return [Problem(file=fault.file, line=fault.line, column=fault.column, message=fault.message, mend=fault.mend)]


def refuse_all(faults: Sequence[BadInput]) -> None:
    """Raises the fault, or one that lists all of them; nothing where there is none."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise BadConfiguration([problem for fault in faults for problem in problems_of(fault)])


def text_of(path: Path) -> str:
    """The text of a file that may be a configuration. Raises BadInput."""
    if path.is_dir():
        raise BadInput("expected a YAML file, got a directory", file=str(path), reason="directory")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(
                f"larger than {MAX_BYTES >> 20} MiB: no configuration is", file=str(path), reason="too_large"
            )
        # Windows editors begin a file with a byte-order mark, which is no part of its first key.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BadInput("no such file", file=str(path), reason="no_such_file") from error
    except UnicodeDecodeError as error:
        raise BadInput("expected UTF-8 text", file=str(path), reason="bad_encoding") from error
    if _brackets(text) > MAX_BRACKETS:
        raise BadInput("nested too deeply for a configuration", file=str(path), reason="too_deep")
    return text


def load_yaml(path: Path) -> Any:
    """The document of a YAML 1.2 file, with positions kept. Raises BadConfiguration."""
    text = text_of(path)
    try:
        document = parsed(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message, mend = yaml_in_words(str(error.problem))
        problem = Problem(
            file=str(path), line=line, column=column, message=Sentence("not valid YAML: {0}", message), mend=mend
        )
        raise BadConfiguration([problem]) from error
    except ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        message = Sentence("not valid YAML: a control character ({0})", repr(error.character))
        problem = Problem(file=str(path), line=line, column=column, message=message, mend=Sentence("delete it"))
        raise BadConfiguration([problem]) from error
    except RecursionError as error:
        raise BadInput("nested too deeply for a configuration", file=str(path), reason="too_deep") from error
    if _values(document, {}) > MAX_VALUES:
        raise BadInput(
            f"its aliases stand for more than {MAX_VALUES:,} values: no configuration has so many",
            file=str(path),
            reason="too_many_values",
        )
    return {} if document is None else document


def parsed(text: str) -> Any:
    """The document of a YAML text that was looked at before: load_yaml bounds and explains what it may hold."""
    # Only round-trip nodes remember the line and column that a complaint must name.
    return YAML(typ="rt", pure=True).load(text)


def _brackets(text: str) -> int:
    """Depth to which brackets open, those within texts and comments too: the parser takes seconds to find that out."""
    if text.count("[") + text.count("{") <= MAX_BRACKETS:
        return 0
    depth = deepest = 0
    for sign in re.findall(r"[\[\]{}]", text):
        depth += 1 if sign in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _values(node: Any, known: dict[int, int]) -> int:
    """Number of values of the document once each alias stands for what it names; known: those of nodes seen, by id."""
    if not isinstance(node, Mapping | list):
        return 1
    found = known.get(id(node))
    if found is None:
        # An alias within what it names has no end.
        known[id(node)] = MAX_VALUES + 1
        parts = node.values() if isinstance(node, Mapping) else node
        found = known[id(node)] = 1 + sum(_values(each, known) for each in parts)
    return found


def with_item(text: str, key: str, item: str, *, file: str = "") -> str:
    """The text of a YAML mapping with one item more in the list under a top-level key; every other byte stays.

    item: the item as YAML of its own, comments kept. The whole is read again before it is returned: nothing but the
    item may differ. Raises BadInput where the list is written in a way that has no place for it.
    """
    load = YAML(typ="rt", pure=True).load
    end = "\r" if "\r\n" in text else ""
    # By line feeds alone: what else ends a line for Python may stand in a comment.
    lines = text.removesuffix("\n").split("\n")
    before: Any = load(text.removeprefix("\ufeff")) or {}
    dash = "  - "
    at = _last_line(lines, len(lines))
    if before.get(key) and not before[key].fa.flow_style():
        names = list(before)
        following = names[names.index(key) + 1 :]
        at = _last_line(lines, before.lc.key(following[0])[0] if following else len(lines))
        first = lines[before[key].lc.item(0)[0]]
        dash = first[: first.index("-") + 1] + " "
    elif key in before and not before[key]:
        at = before.lc.key(key)[0] + 1
        lines[at - 1] = re.sub(r":\s*(?:\[\s*\]|null|~)?", ":", lines[at - 1], count=1)
    elif key not in before:
        lines[at:at] = [end, f"{key}:{end}"]
        at += 2
    inside = [f"{line}{end}" for line in item.rstrip("\n").split("\n")]
    lines[at:at] = [dash + inside[0], *(" " * len(dash) + line for line in inside[1:])]
    changed = "\n".join(lines) + "\n"
    try:
        after = load(changed.removeprefix("\ufeff"))
    except MarkedYAMLError:
        after = None
    if after is None or _plain(after) != {**_plain(before), key: [*_plain(before.get(key) or []), _plain(load(item))]}:
        raise BadInput(
            f"{key} has no place for one more item; write it there by hand", file=file, reason="cannot_patch"
        )
    return changed


def yaml_text(document: Any) -> str:
    """A plain document as YAML in block form."""
    text = io.StringIO()
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.allow_unicode, yaml.width, yaml.sort_base_mapping_type_on_output = (
        False,
        True,
        4096,
        False,
    )
    yaml.dump(document, text)
    return text.getvalue()


def _last_line(lines: Sequence[str], end: int) -> int:
    """Behind the last line before `end` that is neither blank nor a comment."""
    while end > 0 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def load_model(path: Path, model: type[M]) -> M:
    """Read a YAML file into a model. Raises BadConfiguration listing every problem with its place."""
    return validate_document(load_yaml(path), model, str(path))


def validate_document(document: Any, model: type[M], file: str) -> M:
    """Validate a loaded document; problems carry the place of the offending key."""
    plain = _plain(document)
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        found = _problems(document, model, file, error)
        # A check over the whole runs only where every key is known: what it finds is told at once too.
        # Each unknown key of a plain document becomes the one that was probably meant; without such a one it goes.
        for fault in error.errors():
            if fault["type"] != "extra_forbidden":
                continue
            node, location = plain, fault["loc"]
            for part in location[:-1]:
                # Of several kinds of an item, the location names the one that the file chose.
                is_there = part in node if isinstance(node, dict) else isinstance(node, list) and isinstance(part, int)
                node = node[part] if is_there else node
            meant = nearest_key(str(location[-1]), _allowed_keys(model, location[:-1]))
            if isinstance(node, dict) and location[-1] in node:
                value = node.pop(str(location[-1]))
                if meant:
                    node.setdefault(meant, value)
        try:
            model.model_validate(plain)
        except ValidationError as again:
            whole = {str(fault["msg"]) for fault in error.errors()}
            found += [
                each
                for fault in again.errors()
                if not fault["loc"] and str(fault["msg"]) not in whole
                for each in _problems_of_fault(document, model, file, dict(fault))
            ]
        raise BadConfiguration(sorted(found, key=lambda p: (p.line, p.column))) from error


def problems_at(document: Any, location: Sequence[str | int], model: type[BaseModel], file: str) -> list[Problem]:
    """Faults of the part of a document at `location` as that model; empty where nothing is."""
    part = document
    for key in location:
        part = part[key]
    try:
        model.model_validate(_plain(part))
    except ValidationError as error:
        return _problems(document, model, file, error, below=tuple(location))
    return []


def _problems(
    document: Any, model: type[BaseModel], file: str, error: ValidationError, below: tuple[str | int, ...] = ()
) -> list[Problem]:
    faults: list[dict[str, Any]] = [dict(fault) for fault in error.errors()]
    found = [(fault, each) for fault in faults for each in _problems_of_fault(document, model, file, fault, below)]
    meant = {(fault["loc"][:-1], each.mend) for fault, each in found}
    inside = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    # A misspelled key is one mistake: that the right one is missing needs no second sentence, nor that a list of
    # which an item is wrong has one item less.
    return [
        each
        for fault, each in found
        if (fault["type"] != "missing" or (fault["loc"][:-1], f"did you mean {fault['loc'][-1]!r}?") not in meant)
        and not (fault["type"] == "too_short" and fault["loc"] in inside)
    ]


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node


def place_of(document: Any, location: Sequence[str | int]) -> tuple[int, int]:
    """Line and column (from 1) of the key or item at `location`, or of its nearest parent that exists."""
    line, column, node = 1, 1, document
    for part in location:
        marks = getattr(node, "lc", None)
        try:
            if isinstance(node, Mapping) and part in node and marks is not None:
                line, column = (n + 1 for n in marks.key(part))
                node = node[part]
            elif isinstance(node, list) and isinstance(part, int) and marks is not None:
                line, column = (n + 1 for n in marks.item(part))
                node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line, column


def with_key(
    text: str, location: Sequence[str | int], key: str, value: str, *, beside: str, file: str, instead: bool = False
) -> str:
    """The text of a YAML file with `key: value` in the mapping at `location`, next to its key `beside`.

    Every other character stays: read as YAML and written anew, a file would lose its layout. `value` is YAML, of one
    line. A key that holds an empty text is filled. Raises BadInput where the key has a value already, unless this one
    stands instead of it, or where the text cannot be changed safely: a person decides then.
    """
    by_hand = BadInput(f"cannot be changed safely; write '{key}: {value}' by hand", file=file, reason="cannot_patch")
    node = _at(parsed(text), location)
    is_mapping = isinstance(node, Mapping)
    if not is_mapping or beside not in node:
        raise by_hand
    # As the loader counts them: it takes other signs than \n for the end of a line too.
    lines = text.splitlines(keepends=True)
    if not instead and node.get(key, "") != "":
        line = node.lc.key(key)[0] + 1
        raise BadInput(f"has '{key}' already; change it by hand", file=file, line=line, reason="has_key")
    at, column = node.lc.value(key if key in node else beside)
    scalar = _SCALAR.match(lines[at], column)
    if scalar is None:
        raise by_hand
    before, after = lines[at][: scalar.end()], lines[at][scalar.end() :]
    if key in node:
        lines[at] = f"{lines[at][:column]}{value}{after}"
    elif node.fa.flow_style():
        lines[at] = f"{before}, {key}: {value}{after}"
    else:
        indent, ending = " " * node.lc.key(beside)[1], "\r\n" if after.endswith("\r\n") else "\n"
        lines[at] = lines[at].rstrip("\r\n") + ending
        lines.insert(at + 1, f"{indent}{key}: {value}{ending}")
    changed = "".join(lines)
    try:
        found = dict(_at(parsed(changed), location))
    except MarkedYAMLError as error:
        raise by_hand from error
    found.pop(key, None)
    if found != {name: held for name, held in node.items() if name != key}:
        raise by_hand
    return changed


def _at(document: Any, location: Sequence[str | int]) -> Any:
    for part in location:
        document = document[part]
    return document


def _problems_of_fault(
    document: Any, model: type[BaseModel], file: str, fault: dict[str, Any], below: tuple[str | int, ...] = ()
) -> list[Problem]:
    """The problems of one of pydantic's errors: several where a check over the whole found several."""
    # below: where the model stands in the document; the fault speaks of places from there on.
    location = tuple(fault["loc"])
    line, column = place_of(document, (*below, *location))
    name = ".".join(str(part) for part in (*below, *location))
    message, mend = value_in_words(fault)
    if fault["type"] == "union_tag_invalid":
        # The kind that is unknown stands on a line of its own.
        line, column = place_of(document, (*below, *location, str(fault["ctx"]["discriminator"]).strip("'")))
    if fault["type"] == "extra_forbidden":
        allowed = _allowed_keys(model, location[:-1])
        keys = Sentence("allowed here: {0}", ", ".join(allowed))
        meant = nearest_key(str(location[-1]), allowed)
        unknown = Sentence("unknown key {0}", repr(name))
        message = sentences((unknown, keys if meant and len(allowed) <= MOST_KEYS else ""))
        mend = Sentence(MEANT, repr(meant)) if meant else keys
    elif fault["type"] == "missing":
        message, mend = Sentence("key {0} is missing", repr(name)), ""
    elif fault["type"] == "union_tag_not_found" and isinstance(fault.get("input"), Mapping):
        kind = str(fault["ctx"]["discriminator"]).strip("'")
        near = difflib.get_close_matches(kind, [str(key) for key in fault["input"]], n=1)
        message = Sentence("{0}: {1}", name, message)
        mend = Sentence("did you mean {0} by {1}?", repr(kind), repr(near[0])) if near else ""
        line, column = place_of(document, (*below, *location, *near))
    elif name:
        given = fault.get("input")
        is_short = isinstance(given, str | int | float | bool) and len(repr(given)) < 80
        is_shown = is_short and not name.endswith(SECRET_ENDINGS)
        is_shown = is_shown and repr(given) not in message
        parts = (name, message, repr(given)) if is_shown else (name, message)
        message = Sentence("{0}: {1}, got {2}" if is_shown else "{0}: {1}", *parts)
    problem = Problem(file=file, line=line, column=column, message=message, mend=mend)
    several = getattr(fault.get("ctx", {}).get("error"), "mistakes", ())
    messages = [(str(each), getattr(each.__cause__, "mend", "")) for each in several]
    return [problem.model_copy(update={"message": text, "mend": mend}) for text, mend in messages] or [problem]


def _allowed_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    nodes: list[Any] = [model]
    is_name = False
    for part in location:
        # An item of a list, or a name in a mapping of models, is no key of a model.
        if isinstance(part, int) or is_name:
            is_name = False
            continue
        field = next((_keys(node)[part] for node in nodes if part in _keys(node)), None)
        if field is None:
            # Of several kinds of an item, the location names the one that the file chose.
            nodes = [node for node in nodes if any(part in get_args(each.annotation) for each in _keys(node).values())]
            continue
        nodes, is_name = _inner_models(field.annotation), get_origin(field.annotation) is dict
    return sorted(_keys(nodes[0])) if nodes else []


def _keys(node: Any) -> dict[str, Any]:
    """A model's fields by the key that a file has for each."""
    return {field.alias or name: field for name, field in getattr(node, "model_fields", {}).items()}


def _inner_models(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _inner_models(argument)]
