"""A step of `meterloom next`, and how its command is written."""

import shlex

from data_quality.contracts.model import Model


class Step(Model):
    """What is missing, why it is needed, and the command. is_needed: the report cannot go out without it."""

    what: str
    why: str
    command: str
    is_needed: bool = True


class Named(Model):
    """A site as commands name it. option: ` --project DIR` where a command needs it."""

    option: str
    site_id: str

    def command(self, *words: str) -> str:
        """A command of ours as one types it."""
        return f"meterloom {shlex.join(words)}{self.option}"

    def edit(self, file: str, line: int = 1) -> str:
        """An editor at that line: vi, emacs and nano know the sign."""
        return f"${{EDITOR:-vi}} +{line} {shlex.quote(file)}"
