"""A page of sections, as one HTML file that needs no other and as Markdown."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = "page.html.jinja"
NUMBER = re.compile(r"[-+]?\d")
OPEN = 2  # sections that are unfolded in Markdown


@dataclass(frozen=True)
class Table:
    """Cells as people read them; the first of each row names the row."""

    caption: str
    head: list[str]
    rows: list[list[str]]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers, which are aligned at their ends."""
        columns = [[row[at] for row in self.rows] for at in range(len(self.head))]
        return [all(NUMBER.match(cell) for cell in cells if cell) for cells in columns]


@dataclass(frozen=True)
class Figure:
    """A drawing, and in words what it shows."""

    caption: str
    alternative: str
    svg: str


@dataclass(frozen=True)
class Figures:
    """Small figures that stand side by side."""

    figures: list[Figure]


Block = str | Table | Figure | Figures


@dataclass(frozen=True)
class Section:
    """A title and what stands below it; text is a paragraph."""

    title: str
    blocks: list[Block]


def to_html(title: str, sections: list[Section]) -> str:
    """Return a page with neither a script nor anything to be fetched."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["table"] = lambda block: isinstance(block, Table)
    environment.tests["figure"] = lambda block: isinstance(block, Figure)
    environment.tests["figures"] = lambda block: isinstance(block, Figures)
    return environment.get_template(TEMPLATE).render(title=title, sections=sections) + "\n"


def to_markdown(title: str, sections: list[Section]) -> str:
    """Return the same for a comment in a pull request, with words for figures."""
    parts = [f"## {plain(title)}"]
    for place, section in enumerate(sections):
        blocks = [text for block in section.blocks for text in markdown_of(block)]
        if place < OPEN:
            parts += [f"### {plain(section.title)}", *blocks]
        else:
            summary = f"<details><summary>{html.escape(section.title)}</summary>"
            parts += [summary, *blocks, "</details>"]
    return "\n\n".join(parts)


def markdown_of(block: Block) -> list[str]:
    if isinstance(block, Figures):
        return ["\n".join(f"- {plain(figure.alternative)}" for figure in block.figures)]
    if isinstance(block, Figure):
        return [plain(block.alternative)]
    if isinstance(block, Table):
        return [f"**{plain(block.caption)}**", markdown_table(block)]
    return [plain(block)]


def markdown_table(table: Table) -> str:
    from tabulate import tabulate

    rows = [[plain(cell) for cell in row] for row in table.rows]
    align = ["right" if numeric else "left" for numeric in table.numeric]
    head = [plain(cell) for cell in table.head]
    return str(tabulate(rows, head, tablefmt="pipe", colalign=align, disable_numparse=True))


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no line break."""
    escaped = re.sub(r"([\\`*~\[\]|]|\b_|_\b)", r"\\\1", " ".join(text.split()))
    return html.escape(escaped, quote=False)
