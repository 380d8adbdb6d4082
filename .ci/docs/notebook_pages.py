"""Pages of the site made of notebooks: prose and code, and the outputs that `make notebooks` left in var/notebooks.

Outputs of a notebook whose own code has changed since are left out. Of a program that has changed they are as old as
the last `make notebooks`.
"""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS, EXECUTED = ROOT / "notebooks", ROOT / "var" / "notebooks"
NO_OUTPUTS = "!!! note\n    Outputs are made by `make notebooks`; this site was built without them.\n"


def on_files(files: Files, config: Any) -> Files:
    """Adds a page for each notebook."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page(path, EXECUTED / path.name)))
    return files


def page(path: Path, executed: Path) -> str:
    """The Markdown of a notebook, with the outputs of its executed copy where that has the same code."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    made = json.loads(executed.read_text(encoding="utf-8"))["cells"] if executed.exists() else []
    is_same = [each["source"] for each in made] == [each["source"] for each in cells]
    # The heading stands first, and below it that this page has no outputs.
    parts = [_source(cells[0]), *([] if is_same else [NO_OUTPUTS])]
    for cell in (made if is_same else cells)[1:]:
        parts += [_source(cell), *(_output(each) for each in cell.get("outputs", ()))]
    return "\n\n".join([*parts, f"The notebook itself: `notebooks/{path.name}`.", ""])


def _source(cell: Any) -> str:
    text = "".join(cell["source"])
    return f"```python\n{text}\n```" if cell["cell_type"] == "code" else text


def _output(output: Any) -> str:
    data = {kind: "".join(text) for kind, text in output.get("data", {}).items() if isinstance(text, str | list)}
    if "image/svg+xml" in data:
        # A block of HTML ends at an empty line, of which a picture has none.
        return f'<div class="notebook-chart">{data["image/svg+xml"]}</div>'
    if "text/markdown" in data:
        return data["text/markdown"]
    return "".join(_fenced(data.get("text/plain") or "".join(output.get("text", ()))))


def _fenced(text: str) -> Iterator[str]:
    yield f"<pre>{html.escape(text.strip())}</pre>" if text.strip() else ""
