"""A page as a browser would read it, with what could load, run or send anything refused."""

from html.parser import HTMLParser

VOID = {"meta"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "footer", "h1", "h2", "p", "b", "i", "span"),
    *("code", "div", "table", "tr", "th", "td", "figure", "ul", "li", "details", "summary"),
    *("svg", "path", "text", "circle"),
}
DRAWN = {
    "d",
    "x",
    "y",
    "cx",
    "cy",
    "r",
    "transform",
    "text-anchor",
    "viewbox",
    "role",
    "aria-label",
    "aria-hidden",
}
"""The attributes of pictures, none of which names anything outside."""


class Page(HTMLParser):
    """The elements of a page with their attributes, and its texts; what is not balanced or known fails."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert tag in TAGS
        if tag not in {"html", "meta"}:
            assert given.keys() <= {"class", "style", *DRAWN}
        self.elements.append((tag, given))
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def of(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        """Return the attributes of the elements of a tag, and of a class if one is named."""
        return [
            each
            for name, each in self.elements
            if name == tag and (not kind or kind in each.get("class", "").split())
        ]
