"""Attacks on the store by somebody who drops its triggers: each is named, and what it wanted is not believed."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.column_types import canonical_json, text_sha256
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.ledgers.bill_ledger import BillStore, override_tariff, tariff_overrides_of
from assets.stores.published.publications import PublicationStore, sign_act
from assets.stores.schema.tables_baselines import adjustments, baseline_approvals
from assets.stores.schema.tables_bills import bill_audits, tariff_overrides
from assets.stores.schema.tables_control import commands, fault_events, mode_events
from assets.stores.schema.tables_reports import report_decisions, signatures
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import GENESIS, append_row, link_hash, raw_select, row_sha256
from assets.stores.sign import ACTION_DOMAIN, Signer, new_key
from assets.stores.transactions import Store, connect_store
from assets.stores.trust import trust_of
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import acknowledge_fault, is_latched, open_faults
from controls.ledger.ledger_trust import distrusted
from controls.ledger.modes import current_mode, set_mode
from data_quality.contracts.baselines.baseline import BaselineStatus
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from tests.controls.ledger.rows_of import CARLA, NOW, OLAF, add_plan, command
from tests.reports.plant import plant_baseline
from tests.stores.everything import CLOCK, attacked, change, fill, forged_mode, give_keys, insert, raise_mode

ANNA = Person(person_id="anna", name="Anna", roles=(Role.APPROVER,))


def _signer(store: Store, folder: Path, *people: Person) -> dict[str, Signer]:
    signers = {each.person_id: new_key(folder / "keys", each.person_id) for each in people}
    store.public_keys = {name: signer.public_key for name, signer in signers.items()}
    return signers


def _seen(store: Store, table: sa.Table, site: str = "home") -> bool:
    """Doctor and dispatch verify both name the table's row."""
    is_named = any(table.name in each for each in distrusted(store))
    return is_named and any(table.name in each for each in verify_chain(store, site))


def _fresh(store: Store) -> Store:
    """The same store as a process sees it that starts now."""
    return connect_store(str(store.engine.url), store.public_keys)


def test_a_store_that_nobody_touched_is_believed(store: Store, tmp_path: Path) -> None:
    fill(store, give_keys(store, tmp_path))
    assert distrusted(store) == []
    assert current_mode(store, "home") is Mode.PARTIAL


def test_the_links_and_the_rows_under_them_are_asked_for_in_one_transaction(store: Store) -> None:
    with store.begin() as connection:
        append_row(connection, mode_events, **forged_mode(person_id="carla"))
    begun: list[sa.Connection] = []
    sa.event.listen(store.engine, "begin", begun.append)
    assert trust_of(store, [mode_events, fault_events]).lost(mode_events) == ""
    assert len(begun) == 1


def test_who_asks_while_another_writes_never_sees_a_chain_that_is_older_than_what_is_known(store: Store) -> None:
    def write() -> None:
        for _ in range(30):
            with store.begin() as connection:
                append_row(connection, mode_events, **forged_mode(person_id="carla"))

    def ask(_: int) -> set[str]:
        found = set()
        while not writing.done():
            found.add(trust_of(store, [mode_events]).lost(mode_events))
        return found

    with ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write)
        requests = list(pool.map(ask, range(3)))
        writing.result()
    assert set().union(*requests) == {""}


def test_a_slipped_in_mode_is_named_and_not_believed_though_no_key_is_used(store: Store) -> None:
    insert(store, mode_events, **forged_mode(person_id="nobody"))
    assert current_mode(store, "home") is Mode.SIMULATION
    assert _seen(store, mode_events)


def test_a_slipped_in_mode_with_a_seal_of_its_own_lacks_the_key(store: Store, tmp_path: Path) -> None:
    give_keys(store, tmp_path)
    for person in ("carla", "olaf", "nobody"):
        with store.begin() as connection:
            append_row(connection, mode_events, **forged_mode(person_id=person))
    assert current_mode(store, "home") is Mode.SIMULATION
    assert sum("mode_events" in each for each in distrusted(store)) == 3
    assert "'nobody' is not in the people file" in str(verify_chain(store, "home"))


def test_a_signature_counts_only_for_the_row_that_it_was_given_for(store: Store, tmp_path: Path) -> None:
    signer = give_keys(store, tmp_path)
    raise_mode(store, signer, Mode.ADVISORY)
    with store.begin() as connection:
        append_row(connection, mode_events, **forged_mode())
    assert current_mode(store, "home") is Mode.ADVISORY


def test_a_key_of_somebody_else_signs_nothing_for_carla(store: Store, tmp_path: Path) -> None:
    give_keys(store, tmp_path)
    raise_mode(store, new_key(tmp_path / "stolen", "mallory"))
    assert current_mode(store, "home") is Mode.SIMULATION
    assert any("by a key that the people file does not have" in each for each in distrusted(store))


def test_to_lower_a_mode_needs_neither_key_nor_seal(store: Store, tmp_path: Path) -> None:
    raise_mode(store, give_keys(store, tmp_path))
    set_mode(store, "home", mode=Mode.SIMULATION, person=OLAF, reason="smoke", clock=CLOCK)
    assert current_mode(store, "home") is Mode.SIMULATION
    assert distrusted(store) == []
    insert(store, mode_events, **forged_mode(mode="ADVISORY", device_id="battery"))
    assert current_mode(store, "home", "battery") is Mode.SIMULATION


@pytest.mark.parametrize(
    "attack",
    [
        lambda store: change(store, mode_events, mode_events.c.id == 2, mode="PARTIAL"),
        lambda store: change(store, mode_events, mode_events.c.id == 1, device_id="battery"),
        lambda store: change(store, mode_events, mode_events.c.id == 2, device_id="pv"),
        lambda store: change(store, mode_events, mode_events.c.id == 2, site_id="elsewhere"),
        lambda store: change(store, mode_events, mode_events.c.id == 1, reason="another"),
        lambda store: _delete(store, mode_events, mode_events.c.id == 2),
        lambda store: _swap(store),  # noqa: PLW0108 - it stands below
    ],
    ids=[
        "raised",
        "moved to a device",
        "the stop moved to a device",
        "to a site",
        "another reason",
        "the stop removed",
        "swapped",
    ],
)
def test_a_stop_stays_whatever_is_done_to_the_rows(store: Store, attack: Callable[[Store], None]) -> None:
    raise_mode(store, None)
    set_mode(store, "home", mode=Mode.SIMULATION, person=OLAF, reason="smoke", clock=CLOCK)
    attack(store)
    assert current_mode(store, "home") is Mode.SIMULATION
    assert _seen(store, mode_events)


def _delete(store: Store, table: sa.Table, where: sa.ColumnElement[bool]) -> None:
    with attacked(store) as connection:
        assert connection.execute(table.delete().where(where)).rowcount == 1


def _swap(store: Store) -> None:
    for old, new in ((1, 9), (2, 1), (9, 2)):
        change(store, mode_events, mode_events.c.id == old, id=new)


def test_a_command_of_another_value_is_named_and_blocked(store: Store) -> None:
    from controls.ledger.outbox import release

    raise_mode(store, None)
    add_plan(store, command(), command("c2", device_id="pv"))
    change(store, commands, commands.c.command_id == "c1", value=4.9)
    report = release(store, "home", "p1", clock=CLOCK, check=lambda _command, _mode: None)
    assert (report.blocked, report.released) == (("c1",), ("c2",))
    assert _seen(store, commands)


@pytest.mark.parametrize(
    "bent",
    [{"evidence_grade": 3}, {"mode_at_issue": "FULL"}, {"facts": {"soc": 0.9}}, {"seq": 7}, {"epoch": 7}],
    ids=lambda bent: next(iter(bent)),
)
def test_what_a_command_learned_is_held_against_its_events(store: Store, bent: dict[str, Any]) -> None:
    fill(store, None)
    assert verify_chain(store, "home") == []
    change(store, commands, commands.c.command_id == "c1", **bent)
    (name,) = bent
    assert any(f"command c1: {name} of the row says" in each for each in verify_chain(store, "home"))


def test_a_latch_cannot_be_taken_back_by_hand(store: Store, tmp_path: Path) -> None:
    signer = give_keys(store, tmp_path)
    fill(store, signer)
    latched = [fault.device_id for fault in open_faults(store, "home")]
    assert latched == ["pv"]
    acknowledge_fault(store, "home", "pv", person=CARLA, reason="unsigned", clock=CLOCK)
    assert is_latched(open_faults(store, "home"), "pv"), "nobody signed it"


def test_a_removed_or_changed_latch_latches_the_site(store: Store) -> None:
    fill(store, None)
    change(store, fault_events, fault_events.c.device_id == "pv", is_set=False)
    assert is_latched(open_faults(store, "home"), "battery")
    _delete(store, fault_events, fault_events.c.device_id == "pv")
    assert "the row was removed" in open_faults(store, "home")[0].reason
    assert _seen(store, fault_events)


def _approved(store: Store, signer: Signer | None) -> BaselineStore:
    baselines = BaselineStore(store)
    made = baselines.add(plant_baseline("hvac"), "run", "c" * 64, "ben", CLOCK)
    with store.together():
        baselines.approve(made.baseline_id, 1, ANNA, "looked at", {}, CLOCK)
        sign_act(store, signer, ANNA, kind="baseline approve", subject="x", facts={}, clock=CLOCK)
    return baselines


@pytest.mark.parametrize("change_to", [{"person_id": "ben"}, {"reason": "another"}, {"waivers": {"a": "b"}}])
def test_a_changed_approval_no_longer_counts(store: Store, tmp_path: Path, change_to: dict[str, Any]) -> None:
    baselines = _approved(store, _signer(store, tmp_path, ANNA)["anna"])
    assert baselines.versions()[0].status is BaselineStatus.APPROVED
    change(store, baseline_approvals, baseline_approvals.c.id == 1, **change_to)
    (found,) = baselines.versions()
    assert (found.status, found.approved_by) == (BaselineStatus.PROVISIONAL, None)
    assert found.baseline.findings[-1].code == "approval_not_proven"
    assert any("baseline_approvals 1" in each for each in distrusted(store))


def test_an_approval_that_nobody_signed_does_not_count_where_people_have_keys(store: Store, tmp_path: Path) -> None:
    baselines = _approved(store, None)
    assert baselines.versions()[0].status is BaselineStatus.APPROVED
    signers = _signer(store, tmp_path, ANNA)
    assert baselines.versions()[0].status is BaselineStatus.PROVISIONAL
    with store.together():
        sign_act(store, signers["anna"], ANNA, kind="keys adopt", subject="store", facts={}, clock=CLOCK)
    assert baselines.versions()[0].status is BaselineStatus.APPROVED
    assert distrusted(store) == []


def test_nothing_is_computed_on_an_override_an_audit_an_adjustment_or_a_decision_that_was_slipped_in(
    store: Store, tmp_path: Path
) -> None:
    row = {"site_id": "home", "account": "a", "tariff_id": "t", "reason": "r"}
    override_tariff(
        store, **row, person_id="ben", valid_from=NOW.date(), valid_to=NOW.date().replace(day=9), clock=CLOCK
    )
    assert len(tariff_overrides_of(store, "home")) == 1
    change(store, tariff_overrides, tariff_overrides.c.id == 1, tariff_id="cheap")
    with pytest.raises(BadInput, match="tariff_overrides 1: the row is not what was written"):
        tariff_overrides_of(store, "home")
    books = BillStore(tmp_path, store)
    books.keep_audit("b", {"verdict": "differs", "cause": "rate", "delta_total": "9.00"}, clock=CLOCK)
    change(store, bill_audits, bill_audits.c.bill_id == "b", verdict="right")
    with pytest.raises(BadInput, match=r"bill_audits .*: the row is not what was written"):
        books.audits("b")
    insert(
        store, adjustments, adjustment_id="a", step="approved", site_id="home", baseline_id="home/x/enb", adjustment={},
        person_id="anna", role="approver", reason="r", recorded_at_utc=NOW,
    )  # fmt: skip
    with pytest.raises(BadInput, match="adjustments a/approved: the row was not written by this program"):
        AdjustmentStore(store).records()
    insert(
        store, report_decisions, report_id="a/home/2025", revision=1, step="published", site_id="home", period="2025",
        is_synthetic=False, person_id="anna", role="publisher", reason="r", content_sha256="", allowed={},
        recorded_at_utc=NOW,
    )  # fmt: skip
    assert PublicationStore(store).statuses() == {}


def test_an_edited_seal_is_named_and_nothing_is_believed(store: Store) -> None:
    raise_mode(store, None)
    change(store, row_seals, row_seals.c.position == 3, rows=[[1, "0" * 64]])
    second = _fresh(store)
    assert current_mode(second, "home") is Mode.SIMULATION
    assert distrusted(second)[0].startswith("row_seals 3:")
    second.close()


def _recompute(store: Store) -> None:
    """Every seal made anew over what the rows say now, in a chain that holds: what a careful attacker does."""
    with attacked(store) as connection:
        seals = connection.execute(raw_select(row_seals).order_by(row_seals.c.position)).mappings().all()
        before = GENESIS
        for found in seals:
            table, link, marks = row_seals.metadata.tables[found["table_name"]], dict(found), []
            for mark in json.loads(found["rows"]):
                where = [column == part for column, part in zip(table.primary_key.columns, mark, strict=False)]
                row = connection.execute(raw_select(table).where(*where)).mappings().one()
                marks.append([*mark[: len(where)], row_sha256(table, dict(row))])
            link |= {"rows": marks, "rows_sha256": text_sha256(canonical_json(marks))}
            before = link["hash"] = link_hash(before, link)
            values = {name: link[name] for name in ("rows", "rows_sha256", "hash")}
            connection.execute(row_seals.update().where(row_seals.c.position == link["position"]).values(**values))


def test_recomputed_seals_contradict_every_later_signed_act(store: Store, tmp_path: Path) -> None:
    signer = give_keys(store, tmp_path)
    raise_mode(store, signer, Mode.ADVISORY)
    raise_mode(store, signer, Mode.PARTIAL)
    change(store, mode_events, mode_events.c.id == 1, reason="another")
    _recompute(store)
    second = _fresh(store)
    assert current_mode(second, "home") is Mode.SIMULATION
    assert any("signed on another seal" in each for each in distrusted(second))
    assert any("the chain was rewritten" in each for each in verify_chain(second, "home"))
    assert current_mode(store, "home") is Mode.SIMULATION, "who ran meanwhile sees it too"
    second.close()


def test_a_removed_tail_is_named_by_the_rows_and_the_acts_that_it_leaves_behind(store: Store, tmp_path: Path) -> None:
    signer = give_keys(store, tmp_path)
    raise_mode(store, signer)
    with attacked(store) as connection:
        newest = sa.select(sa.func.max(row_seals.c.position)).scalar_subquery()
        connection.execute(row_seals.delete().where(row_seals.c.position >= newest - 1))
    second = _fresh(store)
    assert current_mode(second, "home") is Mode.SIMULATION
    assert {each.split()[0] for each in distrusted(second)} >= {"mode_events", "signatures"}
    assert current_mode(store, "home") is Mode.SIMULATION, "who ran meanwhile sees the chain shrink"
    second.close()


def test_a_changed_signature_is_named(store: Store, tmp_path: Path) -> None:
    raise_mode(store, give_keys(store, tmp_path))
    change(store, signatures, signatures.c.person_id == "carla", person_id="olaf")
    assert current_mode(_fresh(store), "home") is Mode.SIMULATION
    assert any(each.startswith("signatures ") for each in distrusted(store))


@pytest.mark.parametrize("rows", ["nonsense", "[1]", "[[]]", "3"])
def test_a_seal_that_cannot_be_read_is_named(store: Store, rows: str) -> None:
    raise_mode(store, None)
    with attacked(store) as connection:
        link = {"position": 4, "table_name": "mode_events", "note": "", "rows_sha256": text_sha256(rows)}
        head = connection.execute(sa.select(row_seals.c.hash).where(row_seals.c.position == 3)).scalar_one()
        values = link | {"rows": rows, "hash": link_hash(head, link)}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(sa.text(f"INSERT INTO row_seals ({names}) VALUES ({marks})"), values)
    assert current_mode(store, "home") is Mode.SIMULATION
    assert distrusted(store) == ["row_seals 4: seal 4 (of mode_events): its rows cannot be read"]


def test_a_cell_of_another_form_is_one_sentence(store: Store) -> None:
    baselines = _approved(store, None)
    with attacked(store) as connection:
        connection.execute(sa.text("UPDATE baseline_approvals SET waivers = '{', recorded_at_utc = 'yesterday'"))
    with pytest.raises(BadInput, match=r"the store holds '\{' where JSON was expected"):
        baselines.versions()
    assert distrusted(store)[0].startswith("baseline_approvals 1: the row is not what was written")


def test_a_signature_by_a_key_of_the_attacker_s_own_over_nonsense_stops_nobody(store: Store, tmp_path: Path) -> None:
    give_keys(store, tmp_path)
    raise_mode(store, None)
    own = new_key(tmp_path / "own", "mallory")
    for action in ("[]", '{"facts": {"seals": [[], {}, 3]}, "kind": "k", "subject": "s", "person_id": "carla"}'):
        insert(
            store, signatures, action_sha256=text_sha256(action), kind="k", subject="s", person_id="carla",
            public_key=own.public_key, signature=own.sign(ACTION_DOMAIN, action.encode()), action=action,
            recorded_at_utc=NOW,
        )  # fmt: skip
    assert current_mode(store, "home") is Mode.SIMULATION
    assert sum(each.startswith("signatures ") for each in distrusted(store)) >= 2


def test_what_is_rolled_back_leaves_no_doubt_behind(store: Store) -> None:
    with suppress(ZeroDivisionError), store.together():
        raise_mode(store, None)
        assert current_mode(store, "home") is Mode.PARTIAL
        raise ZeroDivisionError
    raise_mode(store, None, Mode.ADVISORY)
    assert current_mode(store, "home") is Mode.ADVISORY
    assert distrusted(store) == []


def test_no_code_inserts_into_a_protected_table_but_the_seals(store: Store) -> None:
    """Read from the source: an insert that goes round `append` would leave rows that nobody believes."""
    root = Path(__file__).resolve().parents[2]
    allowed = {
        "assets/stores/seals.py",
        "assets/stores/event_chain.py",
        "assets/stores/transactions.py",
        "controls/ledger/device_lease.py",
        # What a person likes to see proves nothing, and leaves with the person.
        "assets/stores/web/preferences.py",
        # When a key last read opens nothing.
        "assets/stores/api_keys.py",
        # When a source was heard last: it prolongs no limit and lifts none.
        "assets/stores/ledgers/grid_signals.py",
    }
    rooms = ("assets", "controls", "reports", "ml", "orchestration", "data_quality")
    found = {
        str(path.relative_to(root)): len(re.findall(r"\binsert\(", path.read_text()))
        for room in rooms
        for path in (root / room).rglob("*.py")
        if re.search(r"\.insert\(\)|(sa|_)\.?insert\(", path.read_text()) and "migrations" not in path.parts
    }
    assert set(found) == allowed
    # One table each: the chained events, and the leases.
    assert all(count == 1 or name.endswith(("seals.py", "transactions.py")) for name, count in found.items())
