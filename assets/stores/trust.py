"""Which rows are believed: sealed as they stand, in a chain that is whole and that no signed act contradicts; and an
act of a person by somebody of the people file, signed where people have keys with the key that was theirs then.

Asked wherever a row decides something. What was read of the chain stays with the store: a further question costs one
look at the newest seal. Cryptography is loaded only where people have keys.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

import sqlalchemy as sa

from assets.stores.column_types import text_sha256
from assets.stores.schema.tables_control import commands
from assets.stores.schema.tables_erasure import erasures
from assets.stores.schema.tables_reports import signatures
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import (
    AS_FOUND,
    ERASED,
    ERASED_BY,
    GENESIS,
    REDACTED_BY,
    Key,
    as_raw,
    key_of,
    link_hash,
    off_chain,
    raw_of_site,
    raw_select,
    row_sha256,
)
from assets.stores.sign import REPLACE, FormerKeys, Signature, former_keys, is_signed
from assets.stores.tables import BY_NAME
from assets.stores.transactions import Store, read_rows, select_rows
from data_quality.contracts.errors import BadInput

ADOPT, ERASE = "keys adopt", "erase"
UNSEALED = "the row was not written by this program (no seal)"
CHANGED = "the row is not what was written (its seal says something else)"
REMOVED = "the row was removed"
BENT = "its hash does not fit its content"
Row = TypeVar("Row", bound=Mapping[str, Any])
Select = Callable[[sa.Select[Any]], Sequence[Mapping[str, Any]]]
# Without the rows: the chain is followed by their digest, and marks are read of the tables that are asked about only.
_LINKS = [row_seals.c[name] for name in ("position", "table_name", "note", "rows_sha256", "hash")]


def _by_person(_row: Mapping[str, Any]) -> bool:
    return True


# Tables whose rows are acts of a person, and which of their rows are.
ACTS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    # To stop needs no key.
    "mode_events": lambda row: row["mode"] != "SIMULATION",
    "mode_requests": _by_person,
    # To keep hands off, to refuse and to take back need no key.
    # Without a person a line only ends the hold of the command that it names (controls/ledger/device_holds.py).
    "hold_events": lambda row: not row["is_set"] and not (row["person_id"] is None and row["command_id"]),
    "approval_events": lambda row: row["outcome"] == "APPROVED",
    # The agent latches a fault by itself; to take it back is a person's act.
    "fault_events": lambda row: not row["is_set"],
    "baseline_approvals": _by_person,
    "adjustments": _by_person,
    "report_decisions": _by_person,
    "tariff_overrides": _by_person,
    "reading_edits": _by_person,
    # Others stand in the site file, which is its own proof.
    "meter_events": lambda row: row["origin"] == "person",
    "meter_decisions": _by_person,
    # To take a key away needs none.
    "api_keys": lambda row: not row["is_revoked"],
    # Of a replay the record that it carries is signed, and was so on another chain.
    "erasures": lambda row: row["step"] == "recorded",
}


@lru_cache(maxsize=64)
def _links_from(position: int) -> sa.Select[Any]:
    """The chain from this link on. Kept: an agent asks several times a second, nearly always from the same link."""
    return sa.select(*_LINKS).where(row_seals.c.position >= position).order_by(row_seals.c.position)


@cache
def _keys_of(table: sa.Table) -> sa.Select[Any]:
    """Every row's key as the database holds it."""
    keys: list[Any] = [sa.type_coerce(each, sa.types.NullType()).label(each.name) for each in table.primary_key]
    return sa.select(*keys)


class Trust:
    """Seals and signatures of a store, as one process has read them."""

    def __init__(self, public_keys: Mapping[str, str] | None) -> None:
        self.public_keys = public_keys
        self.broken = ""
        # What the anchors outside of the store say of it: other than a break, it ends when the right store is back.
        self.off = ""
        self.marks: dict[str, dict[Key, tuple[str, int]]] = {}
        # Threads of one process share a store, and to read on takes several steps.
        self._lock = threading.Lock()
        self._position, self._head = 0, GENESIS
        self._seals: dict[int, tuple[str, str, str, str]] = {}
        self._as_found = self._adopted = 0
        self._read: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        self._lost: dict[str, str] = {}
        # Rows that were looked at, as they stood then: an agent asks again several times a second.
        self._seen: dict[str, dict[Key, tuple[Any, ...]]] = {}
        self._believed: dict[str, dict[Key, tuple[Any, ...]]] = {}
        self._bound: dict[tuple[Any, ...], set[str]] = {}
        self._signed: set[str] = set()
        self._former: FormerKeys = {}
        # What rows said before a person was erased from them: their own signature is over that.
        self._originals: dict[tuple[str, Key], str] = {}
        # Rows that an erasure took away or changed, with the place of its seal, until a signed erasure names them.
        self._claims: dict[tuple[Any, ...], int] = {}
        self._erasing: set[tuple[Any, ...]] = set()

    @property
    def needs_signatures(self) -> bool:
        """True where anybody has a key."""
        return any((self.public_keys or {}).values())

    @property
    def vouched(self) -> int:
        """Up to this seal a row needs no signature of its own: found by a migration, or adopted by a signed act."""
        return max(self._as_found, self._adopted)

    def lost(self, table: sa.Table) -> str:
        """Fault of the whole table, else empty: a store that was put back, a chain that does not hold, a row that was
        removed, an act changed.
        """
        return self.off or self.broken or self._lost.get(table.name, "")

    def refresh(self, select: Select, tables: Iterable[str]) -> None:
        """Read on: the chain's links, the marks of these tables, and, where people have keys, what they signed."""
        with self._lock:
            if not self.broken:
                self.broken = self._links(select)
            wanted = {*tables, *([signatures.name] if self.needs_signatures else [])}
            for name in sorted(wanted):
                self.broken = self.broken or self._marks(select, name)
                if not self.broken and _is_counted(name):
                    self._present(select, name)
            if self.needs_signatures and not self.broken:
                self.broken = self._signatures(select) or self._unclaimed(select)

    def doubt(self, table: sa.Table, row: Mapping[str, Any]) -> str:
        """Why this row, as a query gave it, is not believed; empty where it is."""
        if lost := self.lost(table):
            return lost
        raw = as_raw(table, row)
        key, values = key_of(table, raw), tuple(raw.values())
        believed = self._believed.setdefault(table.name, {})
        # The whole row, not its key alone: one that was changed since must be looked at again.
        if believed.get(key) == values:
            return ""
        mark = self.marks[table.name].get(key)
        if mark is None:
            what = UNSEALED
        elif mark[0] != row_sha256(table, raw):
            what = CHANGED
        else:
            what = self.unsigned(table, raw)
        if what:
            return f"{table.name} {'/'.join(map(str, key))}: {what}"
        believed[key] = values
        return ""

    def forget(self, table: sa.Table, key: Key) -> None:
        """Drop what is known of a row that nobody will ask about again: a process that runs for months must not grow
        with every command that it ever sent.
        """
        self.marks.get(table.name, {}).pop(key, None)
        self._believed.get(table.name, {}).pop(key, None)

    def unsigned(self, table: sa.Table, row: Mapping[str, Any]) -> str:
        """Fault of the person's proof of an act's row that is as it was sealed; else empty."""
        is_act = ACTS.get(table.name)
        if self.public_keys is None or is_act is None or not is_act(row):
            return ""
        # Of two people the second signs the row itself; the first signed the request that it must agree with.
        raw, person = as_raw(table, row), row.get("approved_by") or row["person_id"]
        key, digest = key_of(table, raw), row_sha256(table, raw)
        mark = self.marks[table.name].get(key)
        # A row that does not stand as sealed has its own sentence (`doubt`): one fault is reported once.
        if mark is None or mark[0] != digest or mark[1] <= self.vouched:
            return ""
        if person not in self.public_keys:
            return f"{person!r} is not in the people file"
        digest = self._originals.get((table.name, key), digest)
        if self.needs_signatures and person not in self._bound.get((table.name, *key, digest), ()):
            return f"not signed with the key that the people file has of {person!r}"
        return ""

    def _links(self, select: Select) -> str:
        # From the last known link on, itself included: where it is another now, the chain was rewritten behind us.
        links = list(select(_links_from(self._position)))
        if self._position:
            first = links.pop(0) if links else None
            if first is None or (first["position"], first["hash"]) != (self._position, self._head):
                return f"seal {self._position}: the chain of seals was rewritten while it was in use"
        known = self._position
        fault = next(off_chain(links, link_hash, position=known, before=self._head), None)
        for position, link in enumerate(links if fault is None else links[: fault[0] - known - 1], start=known + 1):
            # Only at the start of the chain: later on somebody could seal a forged row "as found".
            if link["note"] == AS_FOUND and self._as_found == position - 1:
                self._as_found = position
            self._position, self._head = position, link["hash"]
            self._seals[position] = (link["table_name"], link["note"], link["rows_sha256"], link["hash"])
            self._newest[link["table_name"]] = position
        if fault is None:
            return ""
        place, is_missing = fault
        of = links[place - known - 1]["table_name"]
        return f"seal {place}: it is missing" if is_missing else f"seal {place} (of {of}): {BENT}"

    def _marks(self, select: Select, name: str) -> str:
        known = self.marks.setdefault(name, {})
        done = self._read.get(name, 0)
        # The links say whose rows a seal holds: where none of this table came, there is nothing to ask.
        if self._newest.get(name, 0) <= done:
            return ""
        # As stored: the chain holds the SHA-256 of this very text, and parsed and written again it may be another.
        text = sa.type_coerce(row_seals.c.rows, sa.Text).label("rows")
        query = sa.select(row_seals.c.position, text).where(
            row_seals.c.table_name == name, row_seals.c.position > done, row_seals.c.position <= self._position
        )
        for each in select(query.order_by(row_seals.c.position)):
            _, note, rows_sha256, _ = self._seals[each["position"]]
            place = each["position"]
            problem = add_marks(known, name, place, each["rows"], rows_sha256, note=note, originals=self._originals)
            if problem:
                return problem
            if note.startswith((ERASED_BY, REDACTED_BY)):
                self._claims |= {(name, *mark): place for mark in json.loads(each["rows"])}
            if note and note != AS_FOUND:
                self._believed.pop(name, None)
                self._seen.pop(name, None)
        self._read[name] = self._position
        return ""

    def _present(self, select: Select, name: str) -> None:
        """Look for sealed rows that are gone or, where they are acts, changed: a query may no longer find them, and
        without a stop that was recorded an older entry would raise the mode again.
        """
        table = BY_NAME[name]
        rows = {key_of(table, row): row for row in select(raw_select(table) if name in ACTS else _keys_of(table))}
        marks, seen = self.marks[name], self._seen.setdefault(name, {})
        gone = marks.keys() - rows.keys()
        # Judged anew each time: a row that was put back is no longer lost.
        self._lost.pop(name, None)
        if gone:
            first = min(gone, key=lambda key: marks[key][1])
            self._lost[name] = f"{name} {'/'.join(map(str, first))}: {REMOVED}"
        for key, row in rows.items() if name in ACTS else ():
            values = tuple(row.values())
            # A row without a mark is no act; its use reports that (`doubt`).
            if key in marks and seen.get(key) != values:
                if row_sha256(table, row) != marks[key][0]:
                    self._lost.setdefault(name, f"{name} {'/'.join(map(str, key))}: {CHANGED}")
                else:
                    seen[key] = values

    def _signatures(self, select: Select) -> str:
        # None was added since: an agent asks several times a second.
        if len(self._signed) == len(self.marks[signatures.name]):
            return ""
        rows = select(sa.select(signatures))
        changes = [Signature(**row) for row in rows if row["kind"] == REPLACE and not self.doubt(signatures, row)]
        self._former = former_keys(changes, self.public_keys or {}, self._place)
        for row in rows:
            signed = Signature(**row)
            if signed.action_sha256 in self._signed or self.doubt(signatures, row):
                continue
            self._signed.add(signed.action_sha256)
            # By another key it proves nothing, and is no fault of the chain either: people get new keys.
            if not self.is_theirs(signed) or not (is_signed(signed) or self.is_redacted(signed)):
                continue
            problem = self._act(signed)
            if problem:
                return problem
        return ""

    def redacted(self, table: sa.Table) -> set[Key]:
        """Keys of rows that an erasure changed."""
        return {key for name, key in self._originals if name == table.name}

    def is_redacted(self, signed: Signature) -> bool:
        """Whether an erasure took words out of what was signed; it vouches for the rest, or the chain is broken."""
        return (signatures.name, (signed.action_sha256,)) in self._originals

    def _unclaimed(self, select: Select) -> str:
        """A row that went or changed, and that no signed erasure names."""
        left = {mark: place for mark, place in self._claims.items() if place > self.vouched}
        if left and not left.keys() <= self._erasing:
            for row in select(sa.select(erasures.c.record).where(erasures.c.step == "replayed")):
                self._erasing |= self._replayed(row["record"])
        for mark, place in left.items():
            if mark not in self._erasing:
                return f"seal {place} (of {mark[0]}): rows were erased, and nobody signed that"
        self._claims.clear()
        return ""

    def _replayed(self, record: Any) -> set[tuple[Any, ...]]:
        """Rows that the signed record of a replay names; none where it is not signed by the key of that person."""
        act = record.get("act") if isinstance(record, dict) else None
        if not isinstance(act, dict):
            return set()
        signed = Signature.model_validate(act)
        key = (signed.person_id, signed.public_key)
        is_known = signed.public_key == (self.public_keys or {}).get(signed.person_id) or key in self._former
        if signed.kind != ERASE or not is_known or not is_signed(signed):
            return set()
        return {tuple(mark) for mark in json.loads(signed.action)["facts"].get("rows", ())}

    def _place(self, signed: Signature) -> int:
        return self.marks[signatures.name][(signed.action_sha256,)][1]

    def is_theirs(self, signed: Signature) -> bool:
        """Whether the key was the person's when it signed: it is today, or its change lies no earlier in the chain."""
        if signed.public_key == (self.public_keys or {}).get(signed.person_id):
            return True
        return self._place(signed) <= self._former.get((signed.person_id, signed.public_key), 0)

    def _act(self, signed: Signature) -> str:
        facts = json.loads(signed.action)["facts"]
        # Signed before rows were sealed: it holds for itself, and binds no row.
        if "seals" not in facts:
            return ""
        position, head = facts["seals"]
        # Position 0: signed before the first seal.
        if position and self._seals.get(position, ("", "", "", ""))[3] != head:
            return (
                f"seal {position} is not the one on which {signed.person_id!r} signed {signed.kind!r} of "
                f"{signed.subject}: the chain was rewritten"
            )
        if signed.kind == ADOPT:
            self._adopted = max(self._adopted, position)
        if signed.kind == ERASE:
            self._erasing |= {tuple(mark) for mark in facts["rows"]}
        for mark in facts["rows"]:
            self._bound.setdefault(tuple(mark), set()).add(signed.person_id)
        return ""


def _is_counted(name: str) -> bool:
    """Whether a removed row of the table puts it in doubt. Commands are too many to be counted each time, and one that
    is gone is not sent; a sign-in that is gone signs nobody in.
    """
    return name != commands.name and not BY_NAME[name].info.get("is_erasable")


def add_marks(
    known: dict[Key, tuple[str, int]],
    name: str,
    position: int,
    rows: str,
    rows_sha256: str,
    *,
    note: str = "",
    originals: dict[tuple[str, Key], str] | None = None,
) -> str:
    """Add a seal's marks of its rows to those that are known. Returns the fault of the seal, or nothing.

    originals: gets the first digests of rows that an erasure changed.
    """
    if text_sha256(rows) != rows_sha256:
        return f"seal {position} (of {name}): its rows are not those that were sealed"
    # Columns of a table's primary key.
    size, table = len(BY_NAME[name].primary_key.columns), BY_NAME[name]
    if note == ERASED and not table.info.get("is_erasable"):
        return f"seal {position} (of {name}): it says that rows were erased, and none of this table ever is"
    try:
        for mark in json.loads(rows):
            key = tuple(mark[:size])
            if note == ERASED or note.startswith(ERASED_BY):
                known.pop(key, None)
                continue
            if note.startswith(REDACTED_BY):
                before, place = known[key]
                known[key] = (mark[size], place)
                if originals is not None:
                    originals.setdefault((name, key), before)
                continue
            # A row is sealed once: by a second seal over its key a changed row would pass for the sealed one.
            if known.setdefault(key, (mark[size], position))[1] != position:
                return f"seal {position} (of {name}): it seals {mark[0]} a second time"
    except (ValueError, TypeError, LookupError):
        return f"seal {position} (of {name}): its rows cannot be read"
    return ""


def proven(
    store: Store, table: sa.Table, rows: Sequence[Row], *, connection: sa.Connection | None = None
) -> tuple[list[Row], list[str]]:
    """Rows (all columns of the table, as a query gave them) that are believed, and why others are not.

    connection: the transaction to read in; without one the store's own.
    """
    trust = trust_of(store, [table], connection=connection)
    good: list[Row] = []
    problems = [lost] if (lost := trust.lost(table)) else []
    for row in rows:
        doubt = trust.doubt(table, row)
        if doubt:
            problems.append(doubt)
        else:
            good.append(row)
    return good, list(dict.fromkeys(problems))


def proven_of_site(
    store: Store,
    table: sa.Table,
    site_id: str,
    *,
    connection: sa.Connection | None = None,
    as_of_utc: datetime | None = None,
    **conditions: Any,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """A site's rows of a numbered table as the database holds them, by number and recorded by then; those of them that
    are believed, and why others are not. Raises Unreachable.

    conditions: what columns must be. connection: the transaction to read in; without one the store's own.
    """
    query = raw_of_site(table, site_id)
    for name, wanted in conditions.items():
        query = query.where(table.c[name] == wanted)
    if as_of_utc is not None:
        query = query.where(table.c.recorded_at_utc <= as_of_utc)
    rows = read_rows(store, query) if connection is None else select_rows(connection, query)
    return rows, *proven(store, table, rows, connection=connection)


def must_be_proven(store: Store, table: sa.Table, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows, all of them. Raises BadInput for the first that is not believed: nothing is computed on it."""
    problems = proven(store, table, rows)[1]
    if problems:
        raise BadInput(
            f"the store was changed behind the program's back: {problems[0]}",
            reason="row_not_proven",
            mend="'meterloom doctor' names every such row; restore the store from a backup, or, where keys are new, "
            "look at the acts before them and say 'meterloom keys adopt'",
        )
    return rows


def redacted(store: Store, table: sa.Table) -> set[Key]:
    """Keys of the table's rows that an erasure changed, where the chain of seals is believed."""
    trust = trust_of(store, [table])
    return set() if trust.lost(table) else trust.redacted(table)


def signed_acts(store: Store, kind: str) -> list[Signature]:
    """Acts of a kind that stand under a valid signature of the person's own key of then, oldest first. Raises BadInput
    for a row that is not believed.
    """
    query = sa.select(signatures).where(signatures.c.kind == kind).order_by(signatures.c.recorded_at_utc)
    rows = must_be_proven(store, signatures, store.rows(query))
    trust, found = trust_of(store, [signatures]), [Signature(**row) for row in rows]
    return [each for each in found if is_signed(each) and trust.is_theirs(each)]


def trust_of(store: Store, tables: Iterable[sa.Table], *, connection: sa.Connection | None = None) -> Trust:
    """Trust in the seals of these tables, as of now."""
    names = [table.name for table in tables]
    used = connection if connection is not None else store.shared
    if used is not None and used.info.get("sealed"):
        # What this transaction sealed may yet be rolled back: nothing of it is kept.
        trust = Trust(store.public_keys)
    else:
        # With other people or keys, what was believed by the former ones is asked again.
        if store.trust is None or store.trust.public_keys != store.public_keys:
            store.trust = Trust(store.public_keys)
        trust = store.trust
    trust.off = "" if store.anchors is None else store.anchors.off()
    if used is not None:
        trust.refresh(partial(select_rows, used), names)
    else:
        # One transaction for the links and the rows under them. Its view begins with the first question, inside the
        # lock of `refresh`: it is never older than what is known of the chain.
        with store.reading() as reading:
            trust.refresh(partial(select_rows, reading), names)
    return trust
