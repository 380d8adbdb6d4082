"""Small packs of data points that tests write as YAML alone."""

HOUSE = 'name: House, edition: "1", applies_from: 2020-01-01'
_TEXT = """template: {name}
version: 1
titles: {title}
descriptions: Ours
periods: [year]
framework: {{{framework}}}
sections:
  - key: one
    titles: One
    blocks:
      - data:
          key: all
          titles: Everything
          points:
{points}"""


def pack_text(name: str, *points: str, framework: str = HOUSE) -> str:
    """A pack of one table, in the block style of YAML. points: each as the fields of a flow mapping, without braces."""
    rows = "".join(f"            - {{{each}}}\n" for each in points)
    return _TEXT.format(name=name, title=name.title(), framework=framework, points=rows)
