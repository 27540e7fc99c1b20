"""Documents with commands that are run as they stand."""

import re
import shlex

from tests.conftest import ROOT, Clone


def commands_in(document: str) -> list[str]:
    """Return the lines of all blocks of shell commands."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return "".join(blocks).splitlines()


def paste(clone: Clone, commands: list[str]) -> list[tuple[str, str]]:
    """Run the commands one after the other in one shell; return each with its output."""
    script = "\n".join(f"echo @@ {shlex.quote(command)}\n{command}" for command in commands)
    parts = clone.run("bash", "-e", "-c", script).stdout.split("@@ ")[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]
