"""Pages of the site that are made, and links that leave the documentation.

README, CONTRIBUTING and CHANGELOG are pages of it; the reference is made of the program itself (commands here, the rest
in reference.py), the list of decisions of their titles. A link to any other file of the source is its path: a site
cannot know where that lies.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import reference
import typer
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(?ms)^(```.*?^```$)")
# A list or table right below a paragraph, which this Markdown takes for more of it.
_TIGHT = re.compile(r"(?m)^(?![-*|#>]|\d+\. |\s)(.+)\n(?=[-*] |\d+\. |\|)")


def on_files(files: Files, config: Any) -> Files:
    """Adds what is made."""
    made = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in PAGES.items()}
    made["reference/commands.md"] = "\n".join(_commands())
    made |= reference.pages()
    made["adr/index.md"] = "\n".join(_decisions())
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Links as the site needs them, and lists with the blank line before them that it asks for."""
    here = page.file.src_uri
    source = next((name for name, made in PAGES.items() if made == here), f"docs/{here}")

    def linked(found: re.Match[str]) -> str:
        return _linked(found, source, here, files)

    parts = _FENCE.split(markdown)
    # Every second part is code, which stays as it is.
    parts[::2] = [_TIGHT.sub(r"\1\n\n", f"\n{_LINK.sub(linked, part)}") for part in parts[::2]]
    # Pictures that are written as HTML.
    return "".join(parts).replace(' src="docs/', ' src="')


def _linked(found: re.Match[str], source: str, here: str, files: Files) -> str:
    mark, text, target = found.groups()
    if re.match(r"[a-z]+:|#", target):
        return found[0]
    path, hash_, anchor = target.partition("#")
    real = os.path.normpath(PurePosixPath(source).parent / path)
    page = PAGES.get(real, real.removeprefix("docs/") if real.startswith("docs/") else "")
    page = {"adr": "adr/index.md"}.get(page, page)
    if not page or files.get_file_from_path(page) is None:
        return f"`{real}`" if text.strip("`") == real else f"{text} (`{real}`)"
    return f"{mark}[{text}]({os.path.relpath(page, PurePosixPath(here).parent)}{hash_}{anchor})"


def _decisions() -> Iterator[str]:
    yield "# Decisions\n"
    for path in sorted((ROOT / "docs" / "adr").glob("0*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- [{title}]({path.name})"


def _commands() -> Iterator[str]:
    """Each command with its sentence, options and example, as `--help` has them."""
    from orchestration.cli.main import PANELS, build_app

    # typer carries a click of its own, so that its types are told apart by what they have.
    root: Any = typer.main.get_command(build_app())
    yield "# Commands\n\nMade of the program: what `meterloom COMMAND --help` says. Every command takes `--json`.\n"
    for panel, names in PANELS.items():
        yield f"## {panel}\n"
        for name in names:
            yield from _command(root.commands[name], name)


def _command(command: Any, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    if inner and not command.invoke_without_command:
        yield f"### {name}\n\n{_plain(command.help)}\n"
    if not inner or command.invoke_without_command:
        yield from _leaf(command, name)
    for each in inner.values():
        yield from _command(each, f"{name} {each.name}")


def _leaf(command: Any, name: str) -> Iterator[str]:
    named = [str(each.metavar or each.name).upper() for each in command.params if each.param_type_name == "argument"]
    yield f"### {name}\n\n{_plain(command.help)}\n\n```sh\n{' '.join(['meterloom', name, *named])}\n```\n"
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    own = [each for each in options if not {"--json", "--debug", "--help"}.intersection(each.opts)]
    if own:
        yield "| option | |\n|---|---|"
        yield from (f"| `{', '.join(each.opts)}` | {_plain(each.help).replace('|', '&#124;')} |" for each in own)
        yield ""


def _plain(text: str | None) -> str:
    return re.sub(r"[ \t]*\n[ \t]*", "\n", (text or "").replace("\b", "").replace("<", "&lt;")).strip()
