"""A key replaced by another: what the old one signed counts, what it signs later does not, nobody slips one in."""

from pathlib import Path
from typing import Any

import pytest

from assets.stores.audit import bad_rows
from assets.stores.published.publications import sign_act
from assets.stores.sign import KEY_DOMAIN, REPLACE, Signer, key_statement, new_key
from assets.stores.transactions import Store, connect_store
from controls.ledger.ledger_trust import distrusted
from controls.ledger.modes import current_mode, set_mode
from data_quality.contracts.control.command import Mode
from tests.controls.ledger.rows_of import CARLA, OLAF
from tests.stores.everything import CLOCK, give_keys, raise_mode


def hand_over(store: Store, old: Signer, new: Signer, *, by: Signer | None = None, **bent: Any) -> None:
    """Carla's old key signs for the new one. by: whose word is taken for the new key's."""
    statement = key_statement(CARLA.person_id, old.public_key, new.public_key)
    vouched = (by or new).sign(KEY_DOMAIN, statement)
    facts = {"public_key": new.public_key, "vouched": vouched} | bent
    with store.together():
        sign_act(store, old, CARLA, kind=REPLACE, subject=CARLA.person_id, facts=facts, clock=CLOCK)


def take(store: Store, *keys: Signer) -> None:
    """The people file has the last of them for Carla."""
    store.public_keys = {CARLA.person_id: keys[-1].public_key, "olaf": ""}


def test_what_the_old_key_signed_counts_and_what_it_signs_from_then_on_does_not(store: Store, tmp_path: Path) -> None:
    old, new = give_keys(store, tmp_path), new_key(tmp_path, "new")
    raise_mode(store, old, Mode.ADVISORY)
    hand_over(store, old, new)
    take(store, new)
    assert current_mode(store, "home") is Mode.ADVISORY
    assert (distrusted(store), bad_rows(store)) == ([], [])
    raise_mode(store, old, Mode.PARTIAL)
    assert current_mode(store, "home") is Mode.ADVISORY
    assert any("by a key that the people file does not have" in each for each in distrusted(store))
    second = connect_store(str(store.engine.url), store.public_keys)
    assert current_mode(second, "home") is Mode.ADVISORY, "who starts now sees the same"
    second.close()
    raise_mode(store, new, Mode.PARTIAL)
    assert current_mode(store, "home") is Mode.PARTIAL


def test_each_key_in_a_row_of_changes_counts_for_its_own_time(store: Store, tmp_path: Path) -> None:
    keys = [give_keys(store, tmp_path), *(new_key(tmp_path, name) for name in ("second", "third"))]
    raise_mode(store, keys[0], Mode.ADVISORY)
    hand_over(store, keys[0], keys[1])
    take(store, keys[1])
    raise_mode(store, keys[1])
    hand_over(store, keys[1], keys[2])
    take(store, keys[2])
    assert (current_mode(store, "home"), bad_rows(store)) == (Mode.PARTIAL, [])
    set_mode(store, "home", mode=Mode.SIMULATION, person=OLAF, reason="smoke", clock=CLOCK)
    for key in keys[:2]:
        raise_mode(store, key)
        assert current_mode(store, "home") is Mode.SIMULATION
    assert len(bad_rows(store)) == 4, "two signatures, and two rows that lack theirs"


def test_a_change_that_was_broken_off_before_the_people_file_is_done_again(store: Store, tmp_path: Path) -> None:
    old, new = give_keys(store, tmp_path), new_key(tmp_path, "new")
    hand_over(store, old, new)
    raise_mode(store, old)
    assert current_mode(store, "home") is Mode.PARTIAL, "the file has the old key still"
    hand_over(store, old, new)
    take(store, new)
    assert (current_mode(store, "home"), bad_rows(store)) == (Mode.PARTIAL, [])


@pytest.mark.parametrize("bent", [{"vouched": "AAAA"}, {"vouched": None}, {"public_key": 7}, {"by": "old"}])
def test_without_the_new_key_s_word_nobody_names_a_key_of_their_own_as_a_former_one(
    store: Store, tmp_path: Path, bent: dict[str, Any]
) -> None:
    theirs, mallory = give_keys(store, tmp_path), new_key(tmp_path, "mallory")
    raise_mode(store, mallory)
    assert current_mode(store, "home") is Mode.SIMULATION
    by = mallory if bent.pop("by", "") else None
    hand_over(store, mallory, theirs, by=by, **({"vouched": "A" * 86 + "=="} | bent if by is None else bent))
    assert current_mode(store, "home") is Mode.SIMULATION
    assert current_mode(connect_store(str(store.engine.url), store.public_keys), "home") is Mode.SIMULATION
    assert len(bad_rows(store)) == 3
