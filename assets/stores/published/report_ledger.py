"""Report revisions, their figures and traces: append-only, one transaction each, hash-chained per site."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import sha256_of
from assets.stores.journal import AppendOnly, Ledger
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.published.rendered_files import RenderedFiles
from assets.stores.published.trace_rows import TraceGone, figure_rows_where, is_of, packed_rows
from assets.stores.schema.tables_reports import figures as figure_table
from assets.stores.schema.tables_reports import (
    organisation_versions,
    report_makers,
    report_revisions,
    revision_inputs,
    site_versions,
)
from assets.stores.seals import append, append_row, chained, head_of, off_chain, raw_select
from assets.stores.transactions import Store, site_transaction
from assets.stores.trust import redacted
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from data_quality.contracts.work.project_cache import Place

Stamped = tuple[dict[str, Any], Sequence[Figure]]


class RevisionDraft(Model):
    """New revision before it has a number. `content_sha256` ignores revision, ids and as_of."""

    report_id: str
    name: str
    site_id: str
    period: str
    status: str
    content_sha256: str
    as_of_utc: datetime


class Revision(RevisionDraft):
    """One stored revision; `content` is the typed content as JSON."""

    revision: int
    content: dict[str, Any]
    recorded_at_utc: datetime


_REVISIONS = Ledger(report_revisions, Revision, order=("recorded_at_utc", "report_id", "revision"))
_INPUTS = AppendOnly(revision_inputs, dict, order=())


class ReportStore:
    """Revisions and figures in the transactional store. folder: where the project's reports are rendered to."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        self.store = store
        self.files = RenderedFiles(store, folder)

    def add_revision(
        self, draft: RevisionDraft, stamp: Callable[[int], Stamped], clock: Clock, *, maker: str = ""
    ) -> tuple[int, bool]:
        """Store a revision with its figures and traces, or find that the newest one already says the same.

        stamp(number) gives content and figures under that revision number. maker: the person, or what made it
        without one; empty: nobody is named. Returns (number, is_new).
        """
        with self.store.together(), site_transaction(self.store, draft.site_id) as connection:
            number, is_new = self.next_number(draft)
            if not is_new:
                return number, False
            # Inside the transaction: the number is known only here, and ids of figures are made of it.
            content, figures = stamp(number)
            row = draft.model_dump() | {"revision": number, "content": content}
            recorded_at = _REVISIONS.add(self.store, clock, row)
            # Of what is stored, number and ids among it; the draft's digest leaves those out, to tell a repeat.
            self._add_figures(connection, draft, number, sha256_of(content), figures)
            if maker:
                made = {"report_id": draft.report_id, "revision": number, "person_id": maker}
                append_row(connection, report_makers, **made, recorded_at_utc=recorded_at)
        return number, True

    def next_number(self, draft: RevisionDraft) -> tuple[int, bool]:
        """The number that `add_revision` would give it now, and whether it would be a new one."""
        last = _REVISIONS.newest(self.store, "revision", "content_sha256", report_id=draft.report_id)
        if last is not None and last["content_sha256"] == draft.content_sha256:
            return int(last["revision"]), False
        return (1 if last is None else int(last["revision"]) + 1), True

    def _add_figures(
        self,
        connection: sa.Connection,
        draft: RevisionDraft,
        number: int,
        stored_sha256: str,
        figures: Sequence[Figure],
    ) -> None:
        position, prev_hash = head_of(connection, figure_table, figure_table.c.site_id == draft.site_id)
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
        columns = [] if with_content else [name for name in Revision.model_fields if name != "content"]
        rows = _REVISIONS.rows(self.store, *columns, as_of_utc=as_of_utc, site_id=site_id, name=name)
        return [_REVISIONS.read({"content": {}, **row}) for row in rows]

    def stored_keys(self, *, as_of_utc: datetime | None = None) -> list[tuple[str, int]]:
        """Report and number of every stored revision, oldest first, without what it says."""
        rows = _REVISIONS.rows(self.store, "report_id", "revision", as_of_utc=as_of_utc)
        return [(row["report_id"], row["revision"]) for row in rows]

    def get(self, report_id: str, revision: int) -> Revision:
        """One stored revision. Raises BadInput."""
        found = _REVISIONS.latest(self.store, report_id=report_id, revision=revision)
        if found is None:
            raise BadInput(f"no revision {revision} of report {report_id!r}", reason="unknown_report")
        return found

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id with its whole trace, or None."""
        # Those of recommendations stand in no report, but where the recommendation is kept. Both are asked whatever is
        # found, so that nobody learns by the clock that there is a figure which is not theirs.
        found = self._figures(figure_table.c.figure_id == figure_id)
        advised = Recommendations(self.store).figure(figure_id)
        return found[0] if found else advised

    def behind(self, figure_id: str) -> Figure | None:
        """As `figure`, of one that another is made of: who asks knows of it, and the clock has nothing to tell."""
        found = self._figures(figure_table.c.figure_id == figure_id)
        return found[0] if found else Recommendations(self.store).figure(figure_id)

    def figure_ids(self) -> list[str]:
        """Ids of every figure of every revision, in order."""
        return [
            str(row["figure_id"])
            for row in self.store.rows(sa.select(figure_table.c.figure_id).order_by(figure_table.c.figure_id))
        ]

    def figures(self, report_id: str, revision: int) -> list[Figure]:
        """All figures of a revision, inputs before what is made of them."""
        table = figure_table
        return self._figures(sa.and_(table.c.report_id == report_id, table.c.revision == revision))

    def newest_periods(
        self, site_id: str, name: str, scopes: Collection[str], *, as_of_utc: datetime | None = None
    ) -> dict[str, str]:
        """Scope, of those given -> the newest period of which a report of that name has a figure of it."""
        table, found = figure_table, dict[str, str]()
        revisions = self.revisions(site_id, name=name, as_of_utc=as_of_utc, with_content=False)
        for each in sorted(revisions, key=lambda one: one.period, reverse=True):
            # Mostly the newest report has all of them: the older ones need not be read.
            if len(found) == len(scopes):
                break
            is_of = sa.and_(table.c.report_id == each.report_id, table.c.revision == each.revision)
            held = {row["figure"]["scope"] for row in self.store.rows(sa.select(table.c.figure).where(is_of))}
            found |= dict.fromkeys(held.intersection(scopes) - found.keys(), each.period)
        return found

    def _figures(self, condition: sa.ColumnElement[bool]) -> list[Figure]:
        return [_figure(row["figure"], row["inputs"]) for row in figure_rows_where(self.store, condition)]

    def broken_link(self, site_id: str) -> str | None:
        """Id of the first figure whose hash, place or predecessor is not as written; None for a whole chain.

        Every byte is read each time; what stands byte for byte as it was last proved is not proved again.
        """
        whole: Place[str, str] = self.store.cache.place("whole_chains")
        digest = self._digest(site_id)
        if whole.get(site_id) == digest:
            return None
        broken = self._first_broken(site_id)
        # Again: rows that somebody changed in between are not those that were proved.
        if broken is None and self._digest(site_id) == digest:
            whole.put(site_id, digest)
        return broken

    def _digest(self, site_id: str) -> str:
        """Of all that the proof of the site's chain rests on, as the database holds it."""
        of_site, digest = figure_table.c.site_id == site_id, hashlib.sha256()
        with self.store.reading() as connection:
            for table, condition in (
                (figure_table, of_site),
                (revision_inputs, is_of(of_site)),
                (report_revisions, report_revisions.c.site_id == site_id),
            ):
                for row in connection.execute(raw_select(table).where(condition).order_by(*table.primary_key)):
                    digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()

    def _first_broken(self, site_id: str) -> str | None:
        # The content too: a changed sentence must not stand over untouched figures.
        contents = {(each.report_id, each.revision): sha256_of(each.content) for each in self.revisions(site_id)}
        try:
            rows = figure_rows_where(self.store, figure_table.c.site_id == site_id)
        except TraceGone as fault:
            return fault.figure_id
        # Of what an erasure changed its seal says what stands; the hash in the chain is of before.
        reports, own = redacted(self.store, report_revisions), redacted(self.store, figure_table)

        def linked(_: str, row: Mapping[str, Any]) -> str | None:
            key = (row["report_id"], row["revision"])
            if key not in reports and contents.get(key) != row["figure"]["content_sha256"]:
                return None
            return str(row["hash"]) if (row["figure_id"],) in own else figure_link(dict(row), row["inputs"])

        broken = next(off_chain(rows, linked), None)
        return None if broken is None else str(rows[broken[0] - 1]["figure_id"])

    def distinct_inputs(self, revisions: Iterable[tuple[str, int]] | None = None) -> list[dict[str, Any]]:
        """Distinct lake and version inputs per revision: report_id, revision, kind, id, role, sha256."""
        columns = ("report_id", "revision", "kind", "id", "role", "sha256")
        wanted = None if revisions is None else set(revisions)
        rows = _INPUTS.rows(self.store, *columns, kind=("lake", "version"))
        return [row for row in rows if wanted is None or (row["report_id"], row["revision"]) in wanted]


def figure_link(row: dict[str, Any], inputs: list[dict[str, Any]]) -> str:
    """Hash of a figure's row in its site's chain, over the row before it and the trace's inputs in their order."""
    covered = [row["site_id"], row["position"], row["report_id"], row["revision"], row["figure_id"], row["figure"]]
    return chained(row["prev_hash"], [*covered, inputs])


def _figure(body: dict[str, Any], inputs: list[dict[str, Any]]) -> Figure:
    fields = {name: value for name, value in body.items() if name not in {"content_sha256", "trace"}}
    return Figure.model_validate({**fields, "trace": {**body["trace"], "inputs": inputs}})


_VERSIONS = Ledger(site_versions, Site, "site")


def keep_site_version(store: Store, site: Site, sha256: str, clock: Clock) -> None:
    """Keep the site, of which figures are made, under its hash (assets/sites/load_sites.py: site_sha256), once."""
    # As it is hashed: alert rules and sheddable loads change no figure. Written out only where it is not kept yet.
    if not _VERSIONS.rows(store, "sha256", sha256=sha256):
        content = site.model_dump(mode="json", exclude={"alert_rules", "sheddable_loads", "signal_sources"})
        _VERSIONS.add_once(store, clock, {"sha256": sha256, "site_id": site.site_id, "site": content})


def site_version(store: Store, sha256: str) -> Site | None:
    """The site of that hash, or None where none was kept."""
    return _VERSIONS.latest(store, sha256=sha256)


class OrganisationVersion(Model):
    """Content of organisation.yaml from when it was seen so until the next that was kept."""

    document: Organisation
    recorded_at_utc: datetime


_ORGANISATIONS = Ledger(organisation_versions, OrganisationVersion)


def keep_organisation_version(store: Store, organisation: Organisation, clock: Clock) -> bool:
    """Keep what the organisation's file says, unless it was kept last. Returns whether it was new."""
    with store.together():
        last = _ORGANISATIONS.newest(store, "sha256")
        if last is not None and last["sha256"] == organisation.sha256:
            return False
        row = {"organisation": organisation.organisation, "sha256": organisation.sha256}
        _ORGANISATIONS.add(store, clock, {**row, "document": organisation.model_dump(mode="json")})
    return True


def organisation_version(store: Store, as_of_utc: datetime) -> OrganisationVersion | None:
    """The file as it was last kept by then, or as it was first kept where that is later; None where it never was."""
    found = _ORGANISATIONS.latest(store, as_of_utc=as_of_utc)
    return found or next(iter(_ORGANISATIONS.history(store)), None)
