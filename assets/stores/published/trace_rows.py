"""Storage of figures and traces: inputs shared by the figures of a revision are written once, in `revision_inputs`.

A row of `figures` holds what is its own; code hash, as-of and content hash of the revision, and every partition and
version that a trace names, stand beside it under a number. The view `trace_inputs` of the migrations says each trace in
full, for SQL. Hashes are over the whole figure, so that a change in either place breaks the chain.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from assets.stores.schema.tables_reports import figures, revision_inputs
from assets.stores.seals import GENESIS
from assets.stores.transactions import Store
from data_quality.contracts.errors import WorldFault

Body = dict[str, Any]
Inputs = list[dict[str, Any]]
INPUT_FIELDS = ("kind", "id", "role", "sha256", "value")
# What most figures say; a row leaves it out.
USUAL = {"coverage": None, "estimated_share": None, "is_synthetic": False, "status": "ok", "uncertainty": None}
_CODE, _AS_OF, _CONTENT = "code", "as_of", "content"
_LINKED = ("figure_id", "site_id", "report_id", "revision", "position", "prev_hash", "hash", "figure", "inputs")


class TraceGone(WorldFault):
    """A figure names what its revision does not have: somebody took rows away."""

    def __init__(self, figure_id: str) -> None:
        super().__init__(f"figure {figure_id} names an input that its revision does not have")
        self.figure_id = figure_id


class Shared:
    """Inputs shared by the figures of one revision: rows of `revision_inputs`, by their numbers."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = [{name: row[name] for name in ("position", *INPUT_FIELDS)} for row in rows]
        self._places = {_key(row): row["position"] for row in self.rows}
        runs = {
            (row["role"], row["id"] if row["role"] == _CODE else ""): row for row in self.rows if row["kind"] == "run"
        }
        self._code = {
            name: (row["sha256"], row["value"].split()) for (role, name), row in runs.items() if role == _CODE
        }
        self._common = {role: row["id"] or row["sha256"] for (role, _), row in runs.items() if role != _CODE}

    @classmethod
    def of(cls, given: Sequence[tuple[Body, Inputs]]) -> "Shared":
        """Everything that these figures name, each once."""
        values = {body["figure_id"]: body["value"] or "" for body, _ in given}
        rows = [each for _, inputs in given for each in inputs if not _is_own(each, values)]
        # The first of each: what the revision's first figure says, and with it every other of a report.
        runs: dict[tuple[str, str], dict[str, Any]] = {}
        for body, _ in given:
            trace, content = body["trace"], body["content_sha256"]
            computation, names = trace["computation"], " ".join(trace["parameters"])
            runs.setdefault((_CODE, computation), _run(_CODE, computation, trace["code_sha256"], names))
            runs.setdefault((_AS_OF, ""), _run(_AS_OF, trace["as_of_utc"], ""))
            runs.setdefault((_CONTENT, ""), _run(_CONTENT, "", content))
        rows += runs.values()
        distinct = dict.fromkeys(_key(each) for each in rows)
        return cls(
            [{"position": place, **dict(zip(INPUT_FIELDS, key, strict=True))} for place, key in enumerate(distinct)]
        )

    def packed(self, site_id: str, body: Body, inputs: Inputs, values: Mapping[str, str]) -> Body:
        """A figure's own part. values: exact texts of the revision's figures by id, which need no repeating."""
        trace = body["trace"]
        kept = {name: value for name, value in body.items() if name not in USUAL or value != USUAL[name]}
        del kept["figure_id"], kept["content_sha256"], kept["trace"]
        kept |= {"computation": trace["computation"], **self._parameters(body, site_id)}
        kept["inputs"] = [
            [each["role"], each["id"]] if _is_own(each, values) else self._places[_key(each)] for each in inputs
        ]
        stated = {_AS_OF: trace["as_of_utc"], _CONTENT: body["content_sha256"]}
        kept |= {role: text for role, text in stated.items() if text != self._common[role]}
        if trace["code_sha256"] != self._code[trace["computation"]][0]:
            kept[_CODE] = trace["code_sha256"]
        return kept

    def _parameters(self, body: Body, site_id: str) -> Body:
        """Parameters that do not stand in the figure already; all of them where its computation usually has others."""
        given, known = body["trace"]["parameters"], _known(body, site_id)
        if list(given) != self._code[body["trace"]["computation"]][1]:
            return {"all_parameters": given}
        return {"parameters": {name: value for name, value in given.items() if known.get(name) != value}}

    def unpacked(self, figure_id: str, site_id: str, kept: Body, values: Mapping[str, str]) -> tuple[Body, Inputs]:
        """The whole figure and its trace's inputs, as they were packed. Raises KeyError, IndexError."""
        own = dict(kept)
        named, computation = own.pop("inputs"), own.pop("computation")
        code_sha256, names = self._code[computation]
        parameters = own.pop("all_parameters", None)
        if parameters is None:
            stated = own.pop("parameters")
            parameters = {name: stated[name] if name in stated else _known(own, site_id)[name] for name in names}
        trace = {
            "as_of_utc": own.pop(_AS_OF, None) or self._common[_AS_OF],
            "code_sha256": own.pop(_CODE, None) or code_sha256,
            "computation": computation,
            "parameters": parameters,
        }
        content = own.pop(_CONTENT, None) or self._common[_CONTENT]
        inputs = [
            {name: self.rows[each][name] for name in INPUT_FIELDS}
            if isinstance(each, int)
            # A figure of the same revision stands by its id alone: its value is its own row's, and said once.
            else {"kind": "figure", "id": each[1], "role": each[0], "sha256": "", "value": values[each[1]]}
            for each in named
        ]
        return {**USUAL, **own, "figure_id": figure_id, "content_sha256": content, "trace": trace}, inputs


def packed_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Whole rows of one revision (as `figure_rows_where` gives them) as rows of `figures` and of `revision_inputs`."""
    shared = Shared.of([(row["figure"], row["inputs"]) for row in rows])
    values = {row["figure_id"]: row["figure"].get("value") or "" for row in rows}
    key = {name: rows[0][name] for name in ("report_id", "revision")} if rows else {}
    kept = [
        {
            **{name: row[name] for name in ("figure_id", "site_id", "report_id", "revision", "position", "hash")},
            "figure": shared.packed(row["site_id"], row["figure"], row["inputs"], values),
        }
        for row in rows
    ]
    return kept, [{**key, **each} for each in shared.rows]


def figure_rows_where(store: Store, condition: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """Rows of `figures` in full, in the order of their places: figure_id, site_id, report_id, revision, position,
    prev_hash, hash, figure (JSON without its inputs), inputs.
    """
    before = figures.alias()
    is_before = sa.and_(before.c.site_id == figures.c.site_id, before.c.position == figures.c.position - 1)
    query = (
        # Not stored but taken from the row before: where that was removed, the hash no longer fits.
        sa.select(figures, sa.func.coalesce(before.c.hash, GENESIS).label("prev_hash"))
        .join(before, is_before, isouter=True)
        .where(condition)
        .order_by(figures.c.site_id, figures.c.position)
    )
    rows = store.rows(query)
    shared = _shared(store, condition)
    values = _values(store, rows)
    for row in rows:
        given = shared.get((row["report_id"], row["revision"]), Shared([]))
        try:
            row["figure"], row["inputs"] = given.unpacked(row["figure_id"], row["site_id"], row["figure"], values)
        except (KeyError, IndexError) as error:
            raise TraceGone(row["figure_id"]) from error
    return [{name: row[name] for name in _LINKED} for row in rows]


def is_of(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """True of those rows of `revision_inputs` that the revisions of the figures so chosen name."""
    wanted = sa.select(figures.c.report_id, figures.c.revision).where(condition).distinct()
    return sa.tuple_(revision_inputs.c.report_id, revision_inputs.c.revision).in_(wanted)


def _shared(store: Store, condition: sa.ColumnElement[bool]) -> dict[tuple[str, int], Shared]:
    table = revision_inputs
    query = sa.select(table).where(is_of(condition))
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in store.rows(query.order_by(table.c.report_id, table.c.revision, table.c.position)):
        found.setdefault((row["report_id"], row["revision"]), []).append(row)
    return {key: Shared(each) for key, each in found.items()}


def _values(store: Store, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Exact texts of the figures that these rest on."""
    known = {row["figure_id"]: row["figure"].get("value") or "" for row in rows}
    named = {each[1] for row in rows for each in row["figure"].get("inputs", ()) if not isinstance(each, int)}
    wanted = sorted(named - set(known))
    if wanted:
        query = sa.select(figures.c.figure_id, figures.c.figure).where(figures.c.figure_id.in_(wanted))
        known |= {row["figure_id"]: row["figure"].get("value") or "" for row in store.rows(query)}
    return known


def _is_own(given: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    """True for a figure of the same revision: its row says the rest."""
    return given["kind"] == "figure" and not given["sha256"] and values.get(given["id"]) == given["value"]


def _key(given: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(given[name] for name in INPUT_FIELDS)


def _known(figure: Mapping[str, Any], site_id: str) -> dict[str, Any]:
    """Facts of the figure that a parameter may repeat: site, scope, KPI, start and end."""
    return {"site": site_id} | {name: figure[name] for name in ("scope", "kpi", "start", "end")}


def _run(role: str, name: str, sha256: str, value: str = "") -> dict[str, Any]:
    return {"kind": "run", "id": name, "role": role, "sha256": sha256, "value": value}
