"""Subject of an erasure: a person, or a meter of a site with its readings; by the id, which stays in ledgers."""

import json
import re
from typing import Any, NamedTuple

from data_quality.contracts.errors import BadInput

EXPECTED = "expected person/ID or meter/SITE/ID"


class Subject(NamedTuple):
    """Whom or what an erasure is about. site_id: of a meter, else empty; own_id: of the person or the meter; name: as
    people know it, empty where that says no more than the id; also: names of files that held nothing else.
    """

    site_id: str
    own_id: str
    name: str = ""
    also: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Its name in commands and ledgers."""
        return f"meter/{self.site_id}/{self.own_id}" if self.site_id else f"person/{self.own_id}"

    @property
    def needles(self) -> tuple[str, ...]:
        """Names as texts hold them: plain, and as JSON escapes them."""
        plain = filter(None, (self.name, *self.also))
        return tuple(dict.fromkeys(form for each in plain for form in (each, json.dumps(each)[1:-1])))

    def named(self, name: str) -> "Subject":
        """The same with its name; a name that is the id in other letters tells nobody more."""
        is_more = re.sub(r"\W+", "", name.casefold()) != re.sub(r"[\W_]+", "", self.own_id.casefold())
        return self._replace(name=name if is_more else "")

    def without(self, text: str) -> str:
        """A text with the id in place of the name, where that stands as a word."""
        for needle in self.needles:
            text = re.sub(rf"(?<!\w){re.escape(needle)}(?!\w)", lambda _: self.own_id, text)
        return text

    def cleaned(self, value: Any) -> Any:
        """The same of every text in a JSON value, keys among them."""
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, list):
            return [self.cleaned(each) for each in value]
        if isinstance(value, dict):
            return {self.without(key): self.cleaned(each) for key, each in value.items()}
        return value


def subject_of(text: str) -> Subject:
    """A subject as a person writes it. Raises BadInput for another text."""
    kind, *ids = text.split("/")
    if kind == "person" and len(ids) == 1 and ids[0]:
        return Subject("", ids[0])
    if kind == "meter" and len(ids) == 2 and all(ids):
        return Subject(ids[0], ids[1])
    raise BadInput(f"{text!r} is no subject; {EXPECTED}", reason="unknown_subject", mend=f"write {EXPECTED[9:]}")
