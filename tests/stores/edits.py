"""The store's figure: random edits behind the program's back, over every table that feeds a figure, a right or an act,
its triggers, its revision and the rendered files. By hand: `python -m tests.stores.edits --edits 1000 [--url URL]`.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.file_hashes import file_sha256
from assets.stores.published.rendered_files import RenderedFiles
from assets.stores.revisions import store_revision_of
from assets.stores.schema.tables_control import command_events, commands
from assets.stores.schema.tables_seals import recorded_clock, row_seals
from assets.stores.seals import key_of, raw_select
from assets.stores.tables import PROTECTED
from assets.stores.transactions import Store, open_store
from controls.ledger.ledger_trust import distrusted
from tests.stores.everything import CLOCK, any_row, attacked, fill, give_keys, other

TABLES = (*PROTECTED, command_events, row_seals)
FILES = ("enpi_works_2025-Q1_r1.pdf", "enpi_works_2025-Q1_r1.json", "enpi_works_2025-Q1_r1.xlsx", "packs/works_r1.zip")
Row = dict[str, Any]


@dataclass
class Campaign:
    """A store with every kind of row, its files, and what became of the edits: by what was edited and how."""

    store: Store
    folder: Path
    chance: random.Random

    def __post_init__(self) -> None:
        fill(self.store, give_keys(self.store, self.folder / "keys"))
        self.files = RenderedFiles(self.store, self.folder / "reports")
        (self.folder / "reports" / "packs").mkdir(parents=True)
        for name in FILES:
            (self.folder / "reports" / name).write_bytes(name.encode() * 50)
            self.files.record(
                self.folder / "reports" / name, "r", 1, file_sha256(self.folder / "reports" / name), CLOCK
            )
        assert self.doctor() == []
        self.done: Counter[tuple[str, str]] = Counter()
        self.missed: list[str] = []

    def doctor(self) -> list[str]:
        """Findings of the doctor."""
        found = store_revision_of(self.store.engine)
        refusals = [found.refusal] if found.refusal else []
        return [*refusals, *distrusted(self.store), *(f"file {path}" for path in self.files.compare().edited)]

    def run(self, edits: int) -> None:
        """That many edits, each made alone, looked for and taken back."""
        kinds: list[tuple[Callable[[], tuple[str, str]], int]] = [
            (self.cell, 8), (self.delete, 3), (self.insert, 3), (self.swap, 3), (self.trigger, 2), (self.clock, 1),
            (self.revision, 1), (self.file, 1),
        ]  # fmt: skip
        wanted = [kind for kind, weight in kinds for _ in range(weight)]
        for _ in range(edits):
            self.done[self.chance.choice(wanted)()] += 1

    def _look(self, where: str, what: str, names: set[str]) -> tuple[str, str]:
        """Whether each of the names begins a sentence of the doctor, or stands in it after the site's."""
        output = self.doctor()
        lost = [name for name in names if not any(name in each for each in output)]
        if lost:
            # Triggers are dropped for most edits.
            self.missed.append(f"{where}, {what}: {lost} in {[each for each in output if ' trigger ' not in each]}")
        return where, what

    @contextmanager
    def edit(
        self, hands: Callable[[Store], AbstractContextManager[sa.Connection]] = attacked
    ) -> Iterator[sa.Connection]:
        """Everything inside is undone, whatever was looked at before. hands: of an attacker, without triggers."""
        try:
            with self.store.together(), hands(self.store) as connection:
                yield connection
                raise _Undo
        except _Undo:
            self.store.trust = None

    def _rows(self, at_least: int = 1) -> tuple[sa.Table, list[Row]]:
        while True:
            table = self.chance.choice(TABLES)
            rows = self.store.rows(raw_select(table))
            if len(rows) >= at_least:
                return table, self.chance.sample(rows, at_least)

    def cell(self) -> tuple[str, str]:
        """Another value in one cell."""
        table, (row,) = self._rows()
        column = self.chance.choice(list(table.c))
        with self.edit() as connection:
            changed = table.update().where(*is_row(table, row)).values({column: other(column, row[column.name])})
            assert connection.execute(changed).rowcount == 1
            return self._look(table.name, "cell", names_of(table, row))

    def delete(self) -> tuple[str, str]:
        """A row that is gone."""
        table, (row,) = self._rows()
        names = names_of(table, row)
        if table is row_seals and row == self.store.rows(raw_select(row_seals).order_by(row_seals.c.position))[-1]:
            # Of the last seal nothing in the chain tells: the rows do that it sealed.
            names = {row["table_name"]}
        if table is command_events:
            is_last = row["position"] == len(self.store.rows(sa.select(command_events)))
            names = {f"command {row['command_id']}" if is_last else f"expected position {row['position']}"}
        with self.edit() as connection:
            assert connection.execute(table.delete().where(*is_row(table, row))).rowcount == 1
            return self._look(table.name, "delete", names)

    def insert(self) -> tuple[str, str]:
        """A row that the program did not write."""
        table, _ = self._rows()
        with self.edit() as connection:
            row = any_row(table, self.chance.randrange(20, 28))
            # Places in a chain are taken.
            row |= {"position": 900} if "position" in row else {}
            made = connection.execute(table.insert().values(row))
            key = dict(zip([each.name for each in table.primary_key], made.inserted_primary_key or (), strict=True))
            where = [each == key[each.name] for each in table.primary_key]
            row = dict(connection.execute(raw_select(table).where(*where)).mappings().one())
            return self._look(table.name, "insert", names_of(table, row))

    def swap(self) -> tuple[str, str]:
        """Two rows, each under the other's key."""
        while True:
            table, (one, two) = self._rows(2)
            keys = {column.name for column in table.primary_key}
            if any(one[name] != two[name] for name in one if name not in keys):
                break
        with self.edit() as connection:
            for row in (one, two):
                connection.execute(table.delete().where(*is_row(table, row)))
            for key, rest in ((one, two), (two, one)):
                row = {name: (key if name in keys else rest)[name] for name in rest}
                marks = ", ".join(f":{name}" for name in row)
                names = ", ".join(f'"{name}"' for name in row)
                connection.execute(sa.text(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'), row)
            return self._look(table.name, "swap", names_of(table, one) | names_of(table, two))

    def trigger(self) -> tuple[str, str]:
        """A trigger that is dropped or, on one that stays, a function that refuses nothing."""
        table = self.chance.choice([each for each in PROTECTED if each.info.get("is_append_only")])
        name = f"{table.name}_no_{self.chance.choice(('update', 'delete'))}"
        is_sqlite = self.store.engine.dialect.name == "sqlite"
        with self.edit(Store.begin) as connection:
            if is_sqlite or self.chance.random() < 0.5:
                connection.execute(sa.text(f"DROP TRIGGER {name}" + ("" if is_sqlite else f" ON {table.name}")))
                if is_sqlite and self.chance.random() < 0.5:
                    verb = name.rpartition("_")[2].upper()
                    connection.execute(
                        sa.text(f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} BEGIN SELECT 1; END")
                    )
            else:
                connection.execute(sa.text(f"ALTER TABLE {table.name} DISABLE TRIGGER {name}"))
            return self._look(table.name, "trigger", {f"{table.name} trigger {name}"})

    def clock(self) -> tuple[str, str]:
        """The clock of recorded times put back, or removed."""
        with self.edit(Store.begin) as connection:
            if self.chance.random() < 0.5:
                connection.execute(recorded_clock.delete())
            else:
                back = f"20{self.chance.randrange(10, 25)}-01-01T00:00:00.000000Z"
                connection.execute(sa.text("UPDATE recorded_clock SET last_utc = :back"), {"back": back})
            return self._look("recorded_clock", "put back", {"recorded_clock 1"})

    def revision(self) -> tuple[str, str]:
        """The revision put back, or none. Committed: whoever opens the store looks in a transaction of its own."""
        (was,) = self.store.rows(sa.select(sa.column("version_num")).select_from(sa.table("alembic_version")))
        back = self.chance.choice(["", *(f"{number:04}" for number in range(1, 11))])
        self._set_revision(back)
        try:
            return self._look("alembic_version", "put back", {f"alembic_version says revision {back or 'nothing'}"})
        finally:
            self._set_revision(was["version_num"])

    def _set_revision(self, revision: str) -> None:
        with self.store.begin() as connection:
            connection.execute(sa.text("DELETE FROM alembic_version"))
            if revision:
                connection.execute(sa.text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})

    def file(self) -> tuple[str, str]:
        """A byte of a rendered file."""
        name = self.chance.choice(FILES)
        path = self.folder / "reports" / name
        was = path.read_bytes()
        place = self.chance.randrange(len(was))
        path.write_bytes(was[:place] + bytes([was[place] ^ 1]) + was[place + 1 :])
        try:
            return self._look(path.suffix, "file", {f"file {name}"})
        finally:
            path.write_bytes(was)


class _Undo(Exception):
    """Takes an edit back."""


def names_of(table: sa.Table, row: Row) -> set[str]:
    """Names of the row in the doctor's sentence."""
    if table is command_events:
        return {f"event {row['position']}"}
    if table is commands:
        # What moves in them is held against their events: "command c1: state of the row says".
        return {f" {row['command_id']}:"}
    return {f"{table.name} {'/'.join(map(str, key_of(table, row)))}:"}


def is_row(table: sa.Table, row: Row) -> list[sa.ColumnElement[bool]]:
    """The condition that finds it by its key."""
    return [sa.type_coerce(each, sa.types.NullType()) == row[each.name] for each in table.primary_key.columns]


def main() -> None:
    """Run it and print the counts."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--edits", type=int, default=1_000)
    given.add_argument("--seed", type=int, default=38)
    given.add_argument("--url", default="", help="an empty PostgreSQL database; without one a SQLite file")
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(options.url or f"sqlite:///{folder}/s.db")
        campaign = Campaign(store, Path(folder), random.Random(options.seed))
        campaign.run(options.edits)
        store.close()
    done = sorted(campaign.done.items())
    for where in sorted({of for (of, _), _ in done}):
        kinds = {what: count for (of, what), count in done if of == where}
        text = ", ".join(f"{what} {count}" for what, count in kinds.items())
        sys.stdout.write(f"{where:24} {sum(kinds.values()):4}  {text}\n")
    missed = len(campaign.missed)
    sys.stdout.write(f"{options.edits} edits, {options.edits - missed} named, {missed} missed\n")
    sys.stdout.writelines(f"{each}\n" for each in campaign.missed)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
