"""Documents with commands that are run as they stand."""

import re
import shlex

from tests.conftest import ROOT, Clone


def commands_in(document: str) -> list[str]:
    """Return the lines of all blocks of shell commands."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return "".join(blocks).splitlines()


def commands_by_section(document: str) -> dict[str, list[str]]:
    """Return the same for each heading of the second level."""
    _, *parts = re.split(r"^## (.*)\n", (ROOT / document).read_text(), flags=re.MULTILINE)
    blocks = [re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for text in parts[1::2]]
    return dict(zip(parts[::2], ["".join(block).splitlines() for block in blocks], strict=True))


def paste(clone: Clone, commands: list[str]) -> list[tuple[str, str]]:
    """Run the commands one after the other in one shell; return each with its output."""
    script = "\n".join(f"echo @@ {shlex.quote(command)}\n{command}" for command in commands)
    parts = clone.run("bash", "-e", "-c", script).stdout.split("@@ ")[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]
