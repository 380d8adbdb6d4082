"""Every public function and class is used by the product or its notebooks: what only tests call goes."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.notebook_files import NOTEBOOKS, code
from tests.syntax import parsed
from tests.test_layers import ROOMS, ROOT

EVERYTHING = "*"
_JOB = re.compile(r"^([a-z_0-9.]+):([a-z_]+)$")
_CLASS = re.compile(r"\bmodule: (\S+)\s+class: (\w+)")
_IMPORT = re.compile(r"\bfrom ([a-z_0-9.]+) import (\w+)")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# These change what a function is, not who calls it: every other decorator hands it to somebody (Dagster, typer, …).
PLAIN = {"cache", "lru_cache", "contextmanager", "dataclass", "overload", "total_ordering", "runtime_checkable"}


class Place(NamedTuple):
    """Place of a definition: module and name; an empty name is the module's own level."""

    module: str
    name: str


# Reached otherwise, with the reason. It never grows beyond ten.
KNOWN = {
    Place(
        "data_quality.contracts.time", "FixedClock"
    ): "the clock of every test; of the contract that SystemClock keeps",
    Place("ml.baselines.savings.savings", "portfolio"): "formulas 5.5; a report over several uses is to state it",
}


class File(NamedTuple):
    """Definitions of one module, and from which of them it refers to what."""

    defined: dict[str, Definition]
    used: dict[str, set[Place]]
    attributes: set[str]


def is_handed_over(node: Definition) -> bool:
    """True where a decorator registers it with a library or a table of ours."""
    names = (ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list)
    return any(name.rpartition(".")[2] not in PLAIN for name in names)


def look_at(module: str, text: str, modules: set[str]) -> File:
    """Read one module. modules: all of the rooms, so that `from a import b` is known to be the module a.b."""
    tree = parsed(text)
    defined = {node.name: node for node in tree.body if isinstance(node, Definition)}
    imported: dict[str, Place] = {}
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in modules:
                    aliases[alias.asname or alias.name] = whole
                else:
                    imported[alias.asname or alias.name] = Place(node.module, alias.name)
        elif isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
    used: dict[str, set[Place]] = defaultdict(set)
    for top in tree.body:
        owner = top.name if isinstance(top, Definition) else ""
        used[owner] |= set(_references(top, module, defined, imported, aliases))
    return File(defined, used, {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)})


def _references(
    top: ast.stmt, module: str, defined: dict[str, Definition], imported: dict[str, Place], aliases: dict[str, str]
) -> Iterator[Place]:
    spelled_out = set()
    for node in ast.walk(top):
        name = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A quoted annotation, a job for a child process (`module:name`), or what that process runs.
            name = node.value
            yield from (Place(*found) for found in _JOB.findall(name) + _IMPORT.findall(name))
        elif isinstance(node, ast.Attribute) and (base := ast.unparse(node.value)) in aliases:
            yield Place(aliases[base], node.attr)
            spelled_out.add(id(node.value))
        elif isinstance(node, ast.Name):
            name = node.id
        if name in defined:
            yield Place(module, name)
        elif name in imported:
            yield imported[name]
        elif name in aliases and id(node) not in spelled_out and not isinstance(top, Definition):
            # A module in a table of modules: whoever walks the table may call what the product asks of anything by
            # name. (Inside of a function the name may be a variable's.)
            yield Place(aliases[name], EVERYTHING)


def unplugged(sources: dict[str, str], entries: set[Place]) -> list[Place]:
    """Public definitions that nothing reaches from a module's own level, from what is handed over or from `entries`.

    sources: text by dotted module name. A definition that only an unplugged one uses is unplugged itself.
    """
    files = {module: look_at(module, text, set(sources)) for module, text in sources.items()}
    attributes = set[str]().union(*(file.attributes for file in files.values()))
    waiting = [*entries, *(Place(module, "") for module in files)]
    for module, file in files.items():
        # Alembic calls the steps of a migration by name.
        is_step = ".migrations." in module
        waiting += [Place(module, name) for name, node in file.defined.items() if is_step or is_handed_over(node)]
    reached: set[Place] = set()
    while waiting:
        place = waiting.pop()
        if place not in reached and place.module in files:
            reached.add(place)
            file = files[place.module]
            waiting += file.used.get(place.name, ())
            if place.name == EVERYTHING:
                waiting += [Place(place.module, name) for name in file.defined.keys() & attributes]
    known = {Place(module, name) for module, file in files.items() for name in file.defined}
    return sorted(place for place in known - reached if not place.name.startswith("_"))


@cache
def product() -> dict[str, str]:
    """Every module of the rooms."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text() for path in paths}


def entries() -> set[Place]:
    """Commands and entry points of pyproject.toml, names in Dagster's instance, kinds of device, notebooks' imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = [text for group in (project["scripts"], *project["entry-points"].values()) for text in group.values()]
    files = (ROOT / "orchestration" / "instance").glob("*.yaml")
    named = (Place(*each) for file in files for each in _CLASS.findall(file.read_text()))
    return {Place(*text.split(":")) for text in found} | set(named) | device_kinds() | of_notebooks()


def of_notebooks() -> set[Place]:
    """Public functions that the shipped notebooks import."""
    trees = [parsed(code(path)) for path in NOTEBOOKS]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {Place(node.module or "", alias.name) for node in imports for alias in node.names}


def device_kinds() -> set[Place]:
    """Kinds of device: whatever class of their folder has a name for site files, as devices/kinds.py finds them."""
    return {
        Place(module, node.name)
        for module, text in product().items()
        if module.startswith("controls.optimiser.devices.")
        for node in parsed(text).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(line).startswith("kind = '") for line in node.body)
    }


def test_every_public_function_and_class_is_used_by_the_product() -> None:
    found = unplugged(product(), entries() | set(KNOWN))
    assert [f"{place.module}: {place.name}" for place in found] == []
    assert len(KNOWN) <= 10


SAMPLE = {
    "a.one": "from a.two import used, wanted as w\n@app.command()\ndef shell(): return w()\n_X = used",
    "a.two": "def used(): ...\ndef wanted(): return deep()\ndef deep(): ...\ndef lone(): return below()"
    "\ndef below(): ...",
    "a.three": "import a.four\nfrom a import five\nTABLE = (five,)\na.four.spelled()\nJOB = 'a.six:job'",
    "a.four": "def spelled(): ...\ndef itself(): return itself()",
    "a.five": "def find(): ...\ndef hidden(): ...",
    "a.six": "def job(x: 'Quoted'): return x.find()\nclass Quoted: ...\nclass _Private: ...",
}


def test_what_nothing_reaches_is_named_and_what_something_reaches_is_not() -> None:
    found = [place.name for place in unplugged(SAMPLE, set())]
    assert found == ["hidden", "itself", "below", "lone"]
    assert [place.name for place in unplugged(SAMPLE, {Place("a.two", "lone")})] == ["hidden", "itself"]
