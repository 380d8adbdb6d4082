"""A page as a browser without script takes it in: its words, its elements, where its links lead."""

from html.parser import HTMLParser


class Seen(HTMLParser):
    """Elements and words of HTML. elements: tag and attributes, in order; words: text outside of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.is_script = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.is_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        """The end of one."""
        if tag == "script":
            self.is_script = False

    def handle_data(self, data: str) -> None:
        """Words."""
        if not self.is_script:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, blanks as one."""
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        """Attributes of all elements of that tag."""
        return [found for name, found in self.elements if name == tag]

    def faults(self) -> list[str]:
        """Forbidden content of a page of ours: style or script in its lines, addresses of other hosts."""
        found = []
        for tag, told in self.elements:
            is_data = told.get("type") == "application/json" or told.get("src", "").startswith("/static/")
            if tag == "style" or (tag == "script" and not is_data) or tag in ("iframe", "object", "embed", "base"):
                found.append(tag)
            found += [f"{tag} {name}" for name in told if name == "style" or name.startswith("on")]
            places = [told[name] for name in ("href", "src", "action", "formaction") if name in told]
            found += [
                f"{tag} {place}" for place in places if not place.startswith(("/", "#")) or place.startswith("//")
            ]
        return found
