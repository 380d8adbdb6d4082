"""Report revisions, their figures and traces: append-only, one transaction each, hash-chained per site."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.access import site_transaction
from assets.stores.lake import Lake
from assets.stores.seals import append, append_row
from assets.stores.tables_readings import batches
from assets.stores.tables_reports import figures as figure_table
from assets.stores.tables_reports import report_makers, report_revisions, revision_inputs
from assets.stores.tables_seals import recorded_clock
from assets.stores.trace_rows import GENESIS, TraceGone, figure_rows_where, packed_rows
from assets.stores.transactions import Store, next_recorded_at
from assets.stores.types import JsonText
from data_quality.contracts.errors import BadInput
from data_quality.contracts.figure import Figure
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

Stamped = tuple[dict[str, Any], Sequence[Figure]]


class RevisionDraft(Model):
    """What a new revision is before it has a number. `content_sha256` ignores revision, ids and as_of."""

    report_id: str
    name: str
    site_id: str
    period: str
    status: str
    content_sha256: str
    as_of_utc: datetime


class Revision(Model):
    """One stored revision; `content` is the typed content as JSON."""

    report_id: str
    revision: int
    name: str
    site_id: str
    period: str
    status: str
    content_sha256: str
    content: dict[str, Any]
    as_of_utc: datetime
    recorded_at_utc: datetime


class ReportStore:
    """Revisions and figures in the transactional store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def known_at(self, clock: Clock) -> datetime:
        """The instant whose view is "now": the clock, or the newest recorded time where that is later."""
        found = self.store.rows(sa.select(recorded_clock.c.last_utc).where(recorded_clock.c.id == 1))
        now = clock.now_utc()
        return max(now, found[0]["last_utc"]) if found else now

    def add_revision(
        self, draft: RevisionDraft, stamp: Callable[[int], Stamped], clock: Clock, *, maker: str = ""
    ) -> tuple[int, bool]:
        """Store a revision with its figures and traces, or find that the newest one already says the same.

        stamp(number) gives content and figures under that revision number. maker: the person, or what made it
        without one; empty: nobody is named. Returns (number, is_new).
        """
        table = report_revisions
        with site_transaction(self.store, draft.site_id) as connection:
            last = connection.execute(
                sa.select(table.c.revision, table.c.content_sha256)
                .where(table.c.report_id == draft.report_id)
                .order_by(table.c.revision.desc())
                .limit(1)
            ).first()
            if last is not None and last.content_sha256 == draft.content_sha256:
                return int(last.revision), False
            number = 1 if last is None else int(last.revision) + 1
            content, figures = stamp(number)
            recorded_at = next_recorded_at(connection, clock.now_utc())
            append_row(
                connection, table, **draft.model_dump(), revision=number, content=content, recorded_at_utc=recorded_at
            )
            self._add_figures(connection, draft, number, _sha256(content), figures)
            if maker:
                made = {"report_id": draft.report_id, "revision": number, "person_id": maker}
                append_row(connection, report_makers, **made, recorded_at_utc=recorded_at)
        return number, True

    def _add_figures(
        self,
        connection: sa.Connection,
        draft: RevisionDraft,
        number: int,
        stored_sha256: str,
        figures: Sequence[Figure],
    ) -> None:
        position, prev_hash = _head(connection, draft.site_id)
        rows: list[dict[str, Any]] = []
        for figure in figures:
            position += 1
            body = figure.model_dump(mode="json")
            given = body["trace"].pop("inputs")
            row = {
                "figure_id": figure.figure_id,
                "report_id": draft.report_id,
                "revision": number,
                "site_id": draft.site_id,
                "figure": {**body, "content_sha256": stored_sha256},
                "position": position,
                "prev_hash": prev_hash,
                "inputs": given,
            }
            prev_hash = row["hash"] = figure_link(row, given)
            rows.append(row)
        own, shared = packed_rows(rows)
        if own:
            append(connection, figure_table, own)
            append(connection, revision_inputs, shared)

    def revisions(
        self,
        site_id: str | None = None,
        *,
        name: str | None = None,
        as_of_utc: datetime | None = None,
        with_content: bool = True,
    ) -> list[Revision]:
        """Stored revisions, oldest first. Without their content a list of thousands is quick."""
        table = report_revisions
        columns = [column for column in table.c if with_content or column.name != "content"]
        query = sa.select(*columns).order_by(table.c.recorded_at_utc, table.c.report_id, table.c.revision)
        if site_id is not None:
            query = query.where(table.c.site_id == site_id)
        if name is not None:
            query = query.where(table.c.name == name)
        if as_of_utc is not None:
            query = query.where(table.c.recorded_at_utc <= as_of_utc)
        return [Revision(**{"content": {}, **row}) for row in self.store.rows(query)]

    def stored_keys(self, *, as_of_utc: datetime | None = None) -> list[tuple[str, int]]:
        """Report and number of every stored revision, oldest first, without what it says."""
        table = report_revisions
        query = sa.select(table.c.report_id, table.c.revision)
        if as_of_utc is not None:
            query = query.where(table.c.recorded_at_utc <= as_of_utc)
        query = query.order_by(table.c.recorded_at_utc, table.c.report_id, table.c.revision)
        return [(row["report_id"], row["revision"]) for row in self.store.rows(query)]

    def get(self, report_id: str, revision: int) -> Revision:
        """One stored revision. Raises BadInput."""
        table = report_revisions
        found = self.store.rows(sa.select(table).where(table.c.report_id == report_id, table.c.revision == revision))
        if not found:
            raise BadInput(f"no revision {revision} of report {report_id!r}", reason="unknown_report")
        return Revision(**found[0])

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id with its whole trace, or None."""
        found = self._figures(figure_table.c.figure_id == figure_id)
        return found[0] if found else None

    def figures(self, report_id: str, revision: int) -> list[Figure]:
        """All figures of a revision, inputs before what is made of them."""
        table = figure_table
        return self._figures(sa.and_(table.c.report_id == report_id, table.c.revision == revision))

    def _figures(self, condition: sa.ColumnElement[bool]) -> list[Figure]:
        return [_figure(row["figure"], row["inputs"]) for row in figure_rows_where(self.store, condition)]

    def broken_link(self, site_id: str) -> str | None:
        """Id of the first figure whose hash, place or predecessor is not as written; None for a whole chain."""
        contents = {(each.report_id, each.revision): _sha256(each.content) for each in self.revisions(site_id)}
        try:
            rows = figure_rows_where(self.store, figure_table.c.site_id == site_id)
        except TraceGone as fault:
            return fault.figure_id
        for place, row in enumerate(rows, start=1):
            is_content = contents.get((row["report_id"], row["revision"])) == row["figure"]["content_sha256"]
            if not (is_content and row["position"] == place and figure_link(row, row["inputs"]) == row["hash"]):
                return str(row["figure_id"])
        return None

    def distinct_inputs(self, revisions: Iterable[tuple[str, int]] | None = None) -> list[dict[str, Any]]:
        """Distinct lake and version inputs per revision: report_id, revision, kind, id, role, sha256."""
        columns = [revision_inputs.c[name] for name in ("report_id", "revision", "kind", "id", "role", "sha256")]
        wanted = None if revisions is None else set(revisions)
        rows = self.store.rows(sa.select(*columns).where(revision_inputs.c.kind.in_(("lake", "version"))))
        return [row for row in rows if wanted is None or (row["report_id"], row["revision"]) in wanted]


def batches_behind(
    lake: Lake, site_id: str, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> list[dict[str, Any]]:
    """The batches whose files hold the UTC days that the span touches, as known at T, oldest first."""
    entries = lake.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    return named_batches(lake.store, {str(entry["batch_id"]) for entry in entries})


def named_batches(store: Store, batch_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the batches table for these ids, oldest first."""
    table = batches
    query = sa.select(table).where(table.c.batch_id.in_(sorted(batch_ids)))
    return store.rows(query.order_by(table.c.recorded_at_utc, table.c.batch_id))


def _head(connection: sa.Connection, site_id: str) -> tuple[int, str]:
    table = figure_table
    last = connection.execute(
        sa.select(table.c.position, table.c.hash)
        .where(table.c.site_id == site_id)
        .order_by(table.c.position.desc())
        .limit(1)
    ).first()
    return (0, GENESIS) if last is None else (int(last.position), str(last.hash))


def figure_link(row: dict[str, Any], inputs: list[dict[str, Any]]) -> str:
    """Hash of a figure's row in its site's chain, over the row before it and the trace's inputs in their order."""
    covered = [row["site_id"], row["position"], row["report_id"], row["revision"], row["figure_id"], row["figure"]]
    return hashlib.sha256((row["prev_hash"] + _canonical([*covered, inputs])).encode()).hexdigest()


def _figure(body: dict[str, Any], inputs: list[dict[str, Any]]) -> Figure:
    fields = {name: value for name, value in body.items() if name not in {"content_sha256", "trace"}}
    return Figure.model_validate({**fields, "trace": {**body["trace"], "inputs": inputs}})


def _canonical(value: Any) -> str:
    return str(JsonText().process_bind_param(value, None))


def _sha256(value: Any) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()
