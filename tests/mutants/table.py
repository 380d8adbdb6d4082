"""The page of the mutants, made of the kept results and of the reasons that a person gave for survivors."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
REASONS = Path(__file__).resolve().parent / "reasons.json"
PAGE = ROOT / "docs" / "quality" / "mutants.md"

HEAD = """# Mutants

Made by `make mutants TARGET=safety SAMPLE=60 SEED=1` from `tests/mutants/results`; not to be edited. A mutant changes
one operator, constant or branch in a copy of the project; it is killed where a test of its room
(`tests/mutants/targets.py`) fails or runs beyond its time. The places of a target are drawn by the seed, one mutant a
place. Python is changed by Cosmic Ray, in an environment of its own; its lock is renewed with
`uv pip compile --universal --generate-hashes` over `cosmic-ray`, with `requirements.lock` as constraint.

That tool does not change SQL. `TARGET=sql` draws tokens of all dbt models, SQL inside Jinja included, macros left
out, and asks the unit tests of the changed model only, on DuckDB; `tests/dbt/test_mutants.py` holds further mutants
by hand, which every run of the suite asks.

**"Killed at first" is the honest share**: each seed was drawn over places that nobody had looked at, and the last seed
of a target says where its tests stand. "Killed now" is after its survivors got their tests, so that it says little of
other places; equivalent mutants leave its share, and not the honest one. Samples are small: of 25 places, 80 % may be
anything from 61 to 91 %. A target that is not in the table has not been run.

| Target | Places | Seed | Run | Killed at first | Killed now | Share now | Equivalent | Open |
|---|---|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Markdown: a line per target and seed that was run, then each survivor with its reason."""
    reasons: dict[str, str] = json.loads(REASONS.read_text(encoding="utf-8"))
    rows, survivors = "", ""
    for path in sorted(RESULTS.glob("*.jsonl")):
        answers = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        first, last = {one["id"]: one for one in reversed(answers)}, {one["id"]: one for one in answers}
        for seed in sorted({one["seed"] for one in first.values()}):
            ids = [name for name, one in first.items() if one["seed"] == seed]
            rows += f"| {path.stem} | {first[ids[0]]['places']} | {seed} | {_counts(ids, first, last, reasons)} |\n"
        for name, one in sorted(last.items()):
            if one["outcome"] != "killed":
                change = " → ".join(f"`{line[1:].strip()}`" for line in one["diff"])
                survivors += f"- {name}: {change}. {reasons.get(name, 'No reason given yet.')}\n"
    return HEAD + rows + "\n## Survivors\n\n" + (survivors or "None.\n")


def _counts(
    ids: list[str], first: dict[str, dict[str, str]], last: dict[str, dict[str, str]], reasons: dict[str, str]
) -> str:
    """Cells of a seed: run, killed at first, killed now, its share without equivalents, equivalents, open."""
    early = sum(first[name]["outcome"] == "killed" for name in ids)
    alive = [name for name in ids if last[name]["outcome"] != "killed"]
    equal = sum(reasons.get(name, "").startswith("Equivalent") for name in alive)
    now = len(ids) - len(alive)
    cells = (len(ids), f"{early} ({early / len(ids):.0%})", now, f"{now / max(len(ids) - equal, 1):.0%}", equal)
    return " | ".join(str(cell) for cell in (*cells, len(alive) - equal))


def write_page() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
