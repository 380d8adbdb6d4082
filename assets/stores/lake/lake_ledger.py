"""Owner of a lake. A small file in its root names the ledger that wrote it and how far that had come; a store that is
another ledger, or has not come as far, writes nothing here until somebody says so (ADR 0032).
"""

import logging
from typing import NamedTuple

from pydantic import ValidationError

from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_files import READINGS, alone
from assets.stores.lake.merges import Places, known_paths
from assets.stores.lake.set_aside import bring_back, set_aside, set_aside_here, take_out_of_others
from assets.stores.seals import ADOPT, Mark, gap, mark_now
from assets.stores.transactions import Store
from data_quality.contracts.errors import Unreachable

KEY = "ledger.json"
logger = logging.getLogger("meterloom.lake")


class Adopted(NamedTuple):
    """Result of an adoption, by key. missing: named by the store, and nowhere."""

    returned: tuple[str, ...]
    set_aside: tuple[str, ...]
    missing: tuple[str, ...]


def refusal(store: Store, kept: FileStore) -> str:
    """Why this store may not write to the lake, as one sentence with the mend; empty where it may."""
    return _refusal(store, kept, _noted(kept))


def expect_own(store: Store, kept: FileStore) -> None:
    """Raises Unreachable where the store may not write to the lake. A lake that names no ledger, and fits, gets one."""
    mark = _noted(kept)
    if fault := _refusal(store, kept, mark):
        raise Unreachable(fault)
    if mark is None:
        kept.note(KEY, _text(store))


def note_progress(store: Store, kept: FileStore) -> None:
    """Write down how far the ledger has come, after a commit: a failure changes nothing about the batch."""
    try:
        kept.note(KEY, _text(store))
    except (Unreachable, OSError) as fault:
        logger.warning("how far the ledger has come was not noted in the lake: %s", fault)


def adopt(store: Store, kept: FileStore) -> Adopted:
    """Make the lake this store's: what it names comes back, what it does not name is set aside. Raises Unreachable."""
    with alone(kept.root):
        returned, known = bring_back(store, kept), set(known_paths(store))
        why = f"'meterloom lake adopt' for the store {store.place}, which does not name them"
        # Those of this machine first: of a lake in a bucket they are copies.
        here = set_aside_here(kept, known, why)
        there = set_aside(kept, sorted(_standing(kept) - known), why)
        returned += take_out_of_others(store, kept, _named(store) - _standing(kept))
        if store.anchors is not None:
            store.anchors.adopt()
        kept.note(KEY, _text(store))
        return Adopted(returned, there or here, tuple(sorted(_named(store) - _standing(kept))))


def restore(store: Store, kept: FileStore) -> Adopted:
    """Give back what was set aside and the store names. Raises Unreachable as `expect_own`."""
    expect_own(store, kept)
    with alone(kept.root):
        returned = bring_back(store, kept)
        return Adopted(returned, (), tuple(sorted(_named(store) - _standing(kept))))


def _refusal(store: Store, kept: FileStore, mark: Mark | None) -> str:
    if store.anchors is not None and (fault := store.anchors.off()):
        return str(fault)
    fault = _misfit(store, kept) if mark is None else gap(store, mark, f"the lake {kept.address}")
    return f"{fault}; {ADOPT}" if fault else ""


def _noted(kept: FileStore) -> Mark | None:
    """None too where nobody can read it: then files and manifest decide."""
    try:
        return Mark.model_validate_json(kept.noted(KEY) or b"")
    except ValidationError:
        return None


def _text(store: Store) -> bytes:
    return mark_now(store).model_dump_json().encode()


def _misfit(store: Store, kept: FileStore) -> str:
    """Why a lake of before there was a file KEY is not this store's, as far as can be seen."""
    named, standing = _named(store), _standing(kept)
    missing, unnamed = named - standing, standing - set(known_paths(store))
    if not missing and (named or not unnamed):
        return ""
    text = f"the lake {kept.address} does not say whose it is and does not fit the store {store.place}"
    if not named:
        return (
            f"{text}: the lake has {len(unnamed)} file(s) and the store names none: it was deleted, or is another one"
        )
    return f"{text}: of {len(named)} files that the store names {len(missing)} are missing ({min(missing)} among them)"


def _standing(kept: FileStore) -> set[str]:
    # What begins with a dot is half written.
    return {each.key for each in kept.list(f"{READINGS}/") if not each.key.rpartition("/")[2].startswith(".")}


def _named(store: Store) -> set[str]:
    """Files that hold the store's readings now."""
    return Places(store).now()
