"""A bullet: how far something is, and the mark that it is to reach."""

from reports.svg.markup import element, picture

_WIDTH, _HIGH = 240.0, 8.0


def bullet_svg(
    title: str,
    share: float,
    *,
    text: str,
    target: float | None = None,
    projected: float | None = None,
    energy: str = "measured",
) -> str:
    """The bar of a share from 0 to 1; target: where its mark stands; projected: how far it will be, which is paler.
    text: the same in words. energy: whose colour.
    """
    bars = [element("rect", y=3.0, width=_WIDTH, height=_HIGH, rx=4.0, class_="ground")]
    if projected is not None:
        ahead = _WIDTH * min(max(projected, 0.0), 1.0)
        bars.append(element("rect", y=3.0, width=ahead, height=_HIGH, rx=4.0, class_=f"part ahead e-{energy}"))
    part = _WIDTH * min(max(share, 0.0), 1.0)
    bars.append(element("rect", y=3.0, width=part, height=_HIGH, rx=4.0, class_=f"part e-{energy}"))
    if target is not None:
        bars.append(element("rect", x=_WIDTH * min(max(target, 0.0), 1.0) - 1, width=2.0, height=14.0, class_="aim"))
    return picture(_WIDTH, 14.0, title=title, description=text, kind="bullet", inside=bars)
