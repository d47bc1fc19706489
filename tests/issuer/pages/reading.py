"""A page as a browser's parser sees it: its elements in order, with their attributes and the text inside them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY = frozenset({"meta", "link", "input", "img", "br", "path"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: "Element | None" = None
    within: list["Element"] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute given twice on <{tag}>"
        element = Element(
            tag, {name: value or "" for name, value in attrs}, inside=self.open[-1] if self.open else None
        )
        for outer in self.open:
            outer.within.append(element)
        self.found.append(element)
        if tag not in EMPTY:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag in EMPTY:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


class Reading:
    """What one page says; unbalanced markup is an error."""

    def __init__(self, page: str) -> None:
        assert page.startswith("<!doctype html>\n")
        reader = _Reader()
        reader.feed(page)
        reader.close()
        assert reader.open == [], "an element is never closed"
        self.elements = reader.found

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag and all(element.attributes.get(name) == value for name, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag} {attributes}>"
        return found[0]

    def by_id(self, name: str) -> Element:
        found = [element for element in self.elements if element.attributes.get("id") == name]
        assert len(found) == 1, f"{len(found)} elements with the id {name}"
        return found[0]

    def words(self) -> str:
        return " ".join(self.one("body").text.split())
