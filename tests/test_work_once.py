"""Work that is done once for all tests answers as work that is done each time."""

import io
import ssl
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from httpx._config import create_ssl_context
from ruamel.yaml import YAML

from assets.stores.schema.tables_control import ledger_identity
from assets.stores.transactions import Store, open_store
from data_quality.contracts import yaml_file
from tests.work_once import AUTHORITIES, Statements, parsed_once, trust_once

ROOT = Path(__file__).resolve().parent.parent
# Comments, anchors, merges, flow and block, texts of several lines; what the house ships and what its tests are about.
ODD = """\
# before
a: &a {x: 1, y: [2, 3]}   # beside
b:
  <<: *a
  z: |
    two
    lines
c: *a
d: 2026-01-01
e: 0x1F
"""


def plainly(text: str) -> Any:
    return YAML(typ="rt", pure=True).load(text)


def places(node: Any) -> Any:
    """Place of each key and item of a document, as complaints name them."""
    if not isinstance(node, dict | list):
        return None
    at: Any = node.lc
    if isinstance(node, list):
        return [(at.item(number), places(each)) for number, each in enumerate(node)]
    return {key: (at.key(key), places(each)) for key, each in node.items() if key in (at.data or {})}


def written(document: Any) -> str:
    text = io.StringIO()
    YAML(typ="rt", pure=True).dump(document, text)
    return text.getvalue()


def test_a_document_that_was_parsed_before_is_the_same_to_its_comments_and_places() -> None:
    texts = [
        path.read_text("utf-8")
        for path in sorted((ROOT / "tests").rglob("*.yaml"), key=lambda p: p.stat().st_size)[:60]
    ]
    once = parsed_once(plainly)
    for text in (ODD, *texts):
        try:
            wanted = plainly(text)
        except Exception as error:
            for _ in range(2):
                with pytest.raises(type(error)):
                    once(text)
            continue
        for _ in range(2):
            found = once(text)
            assert (found, places(found), type(found)) == (wanted, places(wanted), type(wanted))
            assert written(found) == written(wanted)


def test_what_a_test_changes_in_a_document_is_in_its_own() -> None:
    once = parsed_once(plainly)
    changed = once(ODD)
    changed["a"]["y"].append(4)
    assert changed["c"]["y"] == [2, 3, 4]
    assert once(ODD)["c"]["y"] == [2, 3]


def test_what_the_parser_takes_is_never_too_deep_for_a_copy() -> None:
    node, depth = parsed_once(plainly)("[" * 400 + "]" * 400), 0
    while node:
        node, depth = node[0], depth + 1
    assert depth == 399
    with pytest.raises(RecursionError):
        parsed_once(plainly)("[" * 5000 + "]" * 5000)


def test_a_second_store_compiles_nothing_that_a_first_one_asked(tmp_path: Path) -> None:
    assert yaml_file.parsed.__module__ == "tests.work_once"
    stores = [open_store(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db")]
    counts, ids = [], []
    for store in stores:
        statements = store.engine._compiled_cache
        assert isinstance(statements, Statements)
        ids.append(store.rows(sa.select(ledger_identity).where(ledger_identity.c.id == 1))[0]["ledger_id"])
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert ids[0] != ids[1]
    for store in stores:
        store.close()


def test_stores_of_two_kinds_share_no_statement(store: Store, postgres_url: str) -> None:
    other = open_store(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    asked: sa.Select[Any] = sa.select(sa.func.now(), sa.literal("a").regexp_match("a"))
    compiled = {str(asked.compile(each.engine)) for each in (store, other)}
    assert len(compiled) == 2
    for each in (store, other, store):
        assert next(iter(each.rows(asked)[0].values())) is not None
    other.close()


def test_authorities_are_read_again_only_where_others_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
    once = trust_once(create_ssl_context)
    usual = once()
    assert once(verify=True, cert=None, trust_env=True) is usual
    assert usual.get_ca_certs()
    mine = ssl.create_default_context()
    assert once(verify=mine) is mine
    assert once(verify=False).verify_mode is ssl.CERT_NONE
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert once() is not usual
    assert once().get_ca_certs() == []
