"""The page of the mutants, made of the kept results and of the reasons that a person gave for survivors."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
REASONS = Path(__file__).resolve().parent / "reasons.json"
PAGE = ROOT / "docs" / "quality" / "mutants.md"

HEAD = """# Mutants

Made by `make mutants TARGET=safety SAMPLE=60 SEED=1` (Cosmic Ray, in an environment of its own) from
`tests/mutants/results`; not to be edited. A mutant changes one operator, constant or branch in a copy of the project;
it is killed where a test of its room fails or runs beyond its time. Places are drawn by the seed, one mutant a place.
The share is that after survivors got
their tests: only a new seed tells how the tests do on places unseen. A target that is not in the table has not
been run, and a small sample says little about all. This tool does not mutate
SQL: `tests/dbt/test_mutants.py` holds its mutants by hand. The lock of the environment is renewed with
`uv pip compile --universal --generate-hashes` over `cosmic-ray`, with `requirements.lock` as constraint.

| Target | Run | Killed | Share | Equivalent | Open |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Markdown: a line per target that was run, then each survivor with its reason. Equivalents leave the share."""
    reasons: dict[str, str] = json.loads(REASONS.read_text(encoding="utf-8"))
    rows, survivors = "", ""
    for path in sorted(RESULTS.glob("*.jsonl")):
        found = {one["id"]: one for one in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
        killed = sum(one["outcome"] == "killed" for one in found.values())
        alive = [one for one in found.values() if one["outcome"] != "killed"]
        equal = sum(reasons.get(one["id"], "").startswith("equivalent") for one in alive)
        counted = len(found) - equal
        share = f"{100 * killed / counted:.0f} %" if counted else "-"
        rows += f"| {path.stem} | {len(found)} | {killed} | {share} | {equal} | {len(alive) - equal} |\n"
        for one in sorted(alive, key=lambda each: str(each["id"])):
            change = " → ".join(f"`{line[1:].strip()}`" for line in one["diff"])
            survivors += f"- {one['id']}: {change}. {reasons.get(one['id'], 'No reason given yet.')}\n"
    return HEAD + rows + "\n## Survivors\n\n" + (survivors or "None.\n")


def write_page() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
