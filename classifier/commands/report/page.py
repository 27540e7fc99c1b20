"""What a report is made of: sections and their parts, which know their HTML and their Markdown."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from tabulate import tabulate

if TYPE_CHECKING:
    from classifier.commands.report.results import Run
    from classifier.scoring.intervals import Interval

NUMBER = re.compile(r"[-+]?[\d.,]+( \([-+\d., to]+\))?")
LONG, CUT = re.compile(r"(?m)^((?:[|-].*\n){7})(?:[|-].*\n?)+"), r"\1…\n"  # a table or a list
COMMENT_LINES = 59  # at most, of Markdown


@cache
def template() -> Any:
    """Return the macros of the page, a function for each."""
    loader = FileSystemLoader(Path(__file__).parent)
    options: dict[str, Any] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=loader, undefined=StrictUndefined, **options)
    return environment.get_template("page.html.jinja").module


class Part:
    """What stands in a section; its HTML is the macro of its name in page.html.jinja."""

    def html(self) -> Markup:
        return Markup(getattr(template(), type(self).__name__.lower())(self))

    def markdown(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Text(Part):
    """A paragraph; number: the one to remember, which leads."""

    words: str
    number: str = ""

    def markdown(self) -> str:
        return f"**{self.number}** " * bool(self.number) + plain(self.words)


@dataclass(frozen=True)
class Points(Part):
    """A list: of each what it is, such as a warning, what is so, and what to do."""

    rows: Sequence[tuple[str, str, str]]

    def markdown(self) -> str:
        return "\n".join(f"- **{kind}**: {plain(a)}; {plain(b)}" for kind, a, b in self.rows)


@dataclass(frozen=True)
class Table(Part):
    """Cells as people read them; the first of each row names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def kinds(self) -> list[str]:
        """Of each column, "number" where it holds some, which are aligned at their ends."""
        columns = [[row[at] for row in self.rows if row[at]] for at in range(len(self.head))]
        return ["number" * all(map(NUMBER.fullmatch, cells)) for cells in columns]

    def markdown(self) -> str:
        head, *rows = [[plain(cell) for cell in row] for row in (self.head, *self.rows)]
        align = ["right" if kind else "left" for kind in self.kinds]
        drawn = tabulate(rows, head, tablefmt="pipe", colalign=align, disable_numparse=True)
        return f"**{plain(self.caption)}**\n\n{drawn}"


@dataclass(frozen=True)
class Estimate:
    """A share of rows and its interval, one of which may be None; note: what else there is."""

    name: str
    value: float | None
    interval: "Interval | None" = None
    note: str = ""

    @property
    def numbers(self) -> str:
        ends = f"{self.interval.low:.3f} to {self.interval.high:.3f}" if self.interval else ""
        return ends if self.value is None else f"{self.value:.3f}" + f" ({ends})" * bool(ends)


@dataclass(frozen=True)
class Estimates(Part):
    """Shares of rows on one axis, the first of them in colour where it is the one to look at."""

    caption: str
    measure: str
    rows: Sequence[Estimate]
    leads: bool = False

    @cached_property
    def ticks(self) -> list[float]:
        """The ends of the axis and what is marked between them; 1 is the last."""
        lowest = min(one.interval.low if one.interval else one.value or 0 for one in self.rows)
        tenths = max(1, 10 - int(10 * lowest))
        step = next(step for step in (1, 2, 5) if tenths <= 5 * step)
        return [1 - place / 10 for place in range(step * -(-tenths // step), -1, -step)]

    def place(self, share: float) -> str:
        """Return where on the axis a share stands, in CSS."""
        return f"{100 * (share - self.ticks[0]) / (1 - self.ticks[0]):.2f}%"

    def markdown(self) -> str:
        rows = [[one.name, one.numbers, one.note] for one in self.rows]
        return Table(self.caption, ["", self.measure, ""], rows).markdown()


@dataclass(frozen=True)
class Figure(Part):
    """A drawing, and in words what it shows."""

    caption: str
    alternative: str
    svg: str

    def markdown(self) -> str:
        return plain(self.alternative)


@dataclass(frozen=True)
class Section:
    """A title and what there is to say of a run below it."""

    run: "Run"

    @property
    def title(self) -> str:
        raise NotImplementedError

    def content(self) -> Iterator[Part]:
        raise NotImplementedError

    @cached_property
    def parts(self) -> list[Part]:
        return [part for part in self.content() if getattr(part, "rows", True)]

    def html(self) -> Markup:
        return Markup(template().section(self))

    def markdown(self, mark: str = "###") -> str:
        parts = dict.fromkeys(part.markdown() for part in self.parts)  # a figure may repeat a text
        return "\n\n".join([f"{mark} {plain(self.title)}", *parts])


def to_html(title: str, lead: str, first: Sequence[Section], rest: Sequence[Section]) -> str:
    """Return a page with neither a script nor anything to be fetched; first: its first screen."""
    return str(template().page(title, lead, first, rest)).strip() + "\n"


def to_markdown(title: str, lead: str, first: Iterable[Section], rest: Iterable[Section]) -> str:
    """Return a comment on a pull request; of what does not fit, it has the titles."""
    opening = "\n\n".join([f"## {plain(title)}", plain(lead), *(one.markdown() for one in first)])
    text, left = LONG.sub(CUT, opening) + "\n\n<details><summary>More</summary>", []
    for section in rest:
        longer = f"{text}\n\n{LONG.sub(CUT, section.markdown())}"
        if longer.count("\n") + 5 > COMMENT_LINES:
            left.append(plain(section.title))
        else:
            text = longer
    return text + f"\n\nAlso on the page: {', '.join(left)}." * bool(left) + "\n\n</details>"


def to_card(front_matter: str, title: str, sections: Iterable[Section]) -> str:
    """Return a model card, with what Hugging Face reads of it."""
    parts = (section.markdown("##") for section in sections)
    return "\n\n".join([f"---\n{front_matter}---", f"# {plain(title)}", *parts]) + "\n"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no line break."""
    escaped = re.sub(r"([\\`*~\[\]|]|\b_|_\b)", r"\\\1", " ".join(text.split()))
    return html.escape(escaped, quote=False)
