"""The definition of every KPI as one text of SQL: what dbt compiled, in the order in which it is built."""

import hashlib
import re
from functools import cached_property
from typing import Self

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

HEAD = re.compile(
    r"^-- model: (?P<layer>\w+)\.(?P<name>\w+) \((?P<kind>view|table)\) of (?P<reads>[\w, ]*)$", re.MULTILINE
)
TITLE = "-- All KPIs as dbt compiled them for DuckDB: each model reads tables of schema lake and models before it."


class SqlModel(Model):
    """One SELECT that becomes a view or table `layer.name`. reads: the models that must stand before it."""

    layer: str
    name: str
    is_view: bool
    reads: tuple[str, ...]
    sql: str


class KpiDefinition(Model):
    """Models in building order. Two definitions are the same where their texts are."""

    models: tuple[SqlModel, ...]

    @cached_property
    def text(self) -> str:
        """The whole definition as a person reads it and `parse` does."""
        parts = [
            f"-- model: {each.layer}.{each.name} ({'view' if each.is_view else 'table'}) of {', '.join(each.reads)}\n"
            f"{each.sql.strip()}\n"
            for each in self.models
        ]
        return "\n".join([TITLE, *parts])

    @cached_property
    def sha256(self) -> str:
        """Digest of the text: what a trace pins."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str, *, file: str = "") -> Self:
        """The definition that a text holds. Raises BadInput for a text that is none."""
        heads = list(HEAD.finditer(text))
        ends = [*(each.start() for each in heads[1:]), len(text)][: len(heads)]
        models = tuple(
            SqlModel(
                layer=head["layer"],
                name=head["name"],
                is_view=head["kind"] == "view",
                reads=tuple(each for each in head["reads"].split(", ") if each),
                sql=text[head.end() : end].strip(),
            )
            for head, end in zip(heads, ends, strict=True)
        )
        # Written again it must be the same to the byte: traces pin the text by its digest.
        found = cls(models=models)
        if not models or found.text != text:
            raise BadInput("is no definition of KPIs as dbt compiled it", file=file, reason="no_definition")
        return found

    def behind(self, *names: str) -> tuple[SqlModel, ...]:
        """Those models and all that they read, in building order. Raises BadInput for a name that is not there."""
        by_name = {each.name: each for each in self.models}
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in by_name:
                raise BadInput(f"the definition of KPIs has no model {name!r}", reason="no_definition")
            if name not in wanted:
                wanted.add(name)
                waiting += by_name[name].reads
        return tuple(each for each in self.models if each.name in wanted)
