"""`make mutants TARGET=sql`: a seeded sample of places in the dbt models, each changed once; its unit tests are asked.

A place is a token that sqlglot finds, in the SQL or in a quoted piece of SQL inside Jinja; macros are left out. One
mutant is asked of the unit tests of its own model on DuckDB. What no longer is SQL is not counted: every test fails.
"""

import argparse
import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlglot import Token, TokenType
from sqlglot.dialects import DuckDB

from assets.kpi.incremental.mart_sources import source_tables
from assets.stores.lake.lake import Lake
from assets.stores.transactions import open_store
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources
from orchestration.warehouse import dbt
from tests.dbt.by_dbt import run_dbt
from tests.dbt.conftest import record_factor
from tests.kpi.seeded import expected_days, filled_lake, rich_plant
from tests.mutants.table import RESULTS, ROOT, write_page

MODELS = dbt.PROJECT_DIR / "models"
SWAPS = {
    TokenType.EQ: ("<>",), TokenType.NEQ: ("=",), TokenType.LT: ("<=", ">"), TokenType.LTE: ("<", ">="),
    TokenType.GT: (">=", "<"), TokenType.GTE: (">", "<="), TokenType.AND: ("or",), TokenType.OR: ("and",),
    TokenType.PLUS: ("-",), TokenType.DASH: ("+",), TokenType.SLASH: ("*",), TokenType.INNER: ("left",),
    TokenType.LEFT: ("inner",), TokenType.NOT: ("",), TokenType.TRUE: ("false",), TokenType.FALSE: ("true",),
    TokenType.DESC: ("",), TokenType.DISTINCT: ("",), TokenType.UNION: ("except",),
}  # fmt: skip
CALLS = {"sum": "max", "min": "max", "max": "min", "avg": "max", "count": "sum", "bool_or": "bool_and"}
# (model, start, end, the text in its place)
Edit = tuple[Path, int, int, str]


def swaps(token: Token, before: Token | None, after: Token | None) -> tuple[str, ...]:
    """Replacements of the token; none where it is no place."""
    if token.token_type is TokenType.NUMBER and token.text.isdigit() and after is not None:
        # Digits of a decimal's type say how much room there is, not what is counted.
        is_of_type = before is None or before.text in ("{", ",") or (before.text == "(" and after.text == ",")
        return () if is_of_type else (str(int(token.text) + 1),)
    if token.token_type is TokenType.STAR and before is not None:
        return ("/",) if before.token_type in (TokenType.VAR, TokenType.NUMBER, TokenType.R_PAREN) else ()
    if after is not None and after.text == "(" and token.text.lower() in CALLS:
        return (CALLS[token.text.lower()],)
    return SWAPS.get(token.token_type, ())


def edits(path: Path, text: str, offset: int = 0, *, is_piece: bool = False) -> Iterator[list[Edit]]:
    """Places of one model, each with its mutants; inside Jinja only what stands in quotes is SQL."""
    tokens, is_jinja = DuckDB().tokenize(text), False
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.token_type in (TokenType.BLOCK_START, TokenType.BLOCK_END):
            is_jinja = token.token_type is TokenType.BLOCK_START
        elif token.text in ("{", "}") and not is_piece:
            is_jinja = token.text == "{"
        elif is_jinja and token.token_type in (TokenType.STRING, TokenType.IDENTIFIER) and not is_piece:
            yield from edits(path, text[token.start + 1 : token.end], offset + token.start + 1, is_piece=True)
        elif not is_jinja and (found := swaps(token, before, after)):
            yield [(path, offset + token.start, offset + token.end + 1, each) for each in found]


def warehouse(folder: Path) -> WarehouseTarget:
    """A small warehouse on DuckDB: unit tests take the types of their inputs from it."""
    store, site = open_store(f"sqlite:///{folder / 'store.db'}"), rich_plant()
    lake = Lake(folder / "lake", store)
    filled_lake(lake, site, seed=0)
    record_factor(store)
    target = WarehouseTarget(duckdb_file=folder / "warehouse.duckdb")
    load_sources(target, source_tables({site.site_id: site}, lake, expected_days(site, seed=0)))
    for tag in ("kpi", "enpi"):
        built = run_dbt(["run", "--select", f"tag:{tag}"], target=target, state_dir=folder / "state")
        assert built.is_success, built.failed
    store.close()
    return target


def run(sample: int, seed: int, folder: Path) -> None:
    """Ask the unit tests about each drawn mutant, and keep each answer at once."""
    places = [place for path in sorted(MODELS.rglob("*.sql")) for place in edits(path, path.read_text())]
    kept, dice = RESULTS / "sql.jsonl", random.Random(seed)
    answers = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    known = {each["id"] for each in answers if each["outcome"] == "killed"}
    target = warehouse(folder)
    copy = folder / "project"
    shutil.copytree(dbt.PROJECT_DIR, copy, ignore=shutil.ignore_patterns("target", "logs"))
    dbt.PROJECT_DIR = copy
    for place in dice.sample(places, min(sample, len(places))):
        path, start, end, change = dice.choice(place)
        text = path.read_text()
        number, column = text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        mutant_id = f"{path.relative_to(ROOT)}:{number + 1}:{column} {text[start:end]} → {change or 'nothing'} {digest}"
        if mutant_id in known:
            continue
        changed = text[:start] + change + text[end:]
        mutant = copy / path.relative_to(MODELS.parent)
        mutant.write_text(changed)
        select = ["test", "--select", f"{path.stem},test_type:unit"]
        outcome = run_dbt(select, target=target, state_dir=folder / "state")
        mutant.write_text(text)
        told = {node.status for node in outcome.nodes}
        verdict = "killed" if "fail" in told else "broken" if "error" in told else "survived"
        diff = [f"-{text.splitlines()[number]}", f"+{changed.splitlines()[number]}"]
        print(verdict, mutant_id, *diff, sep="\n  ", flush=True)
        if verdict != "broken":
            answer = {"id": mutant_id, "outcome": verdict, "diff": diff, "seed": seed, "places": len(places)}
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(answer) + "\n")


def main() -> None:
    """Parse the command line, run, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.sql", description=__doc__)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        run(asked.sample, asked.seed, Path(folder))
    write_page()


if __name__ == "__main__":
    main()
