"""The page that `dvc plots` fills, with its scripts in it: DVC's own loads them from a network.

`make` writes it and has `.dvc/config.local` name it: `python -m tools.plots_page`.
"""

from pathlib import Path

from dvc_render.html import PAGE_HTML
from vl_convert import javascript_bundle

from classifier.base.files import write_text
from classifier.base.process import run

PAGE = Path(".dvc/tmp/plots.html")
VEGA_LITE = "5.21"  # DVC's plots are of version 5
PLACE = "{scripts}"  # where DVC would put the tags that load them


def main() -> None:
    """Write the page anew, with the Vega-Embed of this environment."""
    script = javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    write_text(PAGE, PAGE_HTML.replace(PLACE, f"<script>{script}</script>"))


if __name__ == "__main__":
    run(main)
