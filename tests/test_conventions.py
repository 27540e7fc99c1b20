"""What CONTRIBUTING.md says of the code holds."""

from tests.conftest import ROOT, Clone
from tests.imports import CODE, imported


def test_types_are_right():
    """As `make lint` checks them: without what it has kept from before, this takes a while."""
    Clone(ROOT).run("mypy", "--no-error-summary")


def test_imports_run_one_way():
    assert CODE
    for path in CODE:
        names = imported(path)
        tops = {name.split(".")[0] for name in names}
        assert "stages" not in tops, path
        if path.name != "runtime.py":
            assert not {"tensorflow", "keras"} & tops, path
        if path.is_relative_to(ROOT / "stages"):
            assert not any(name.startswith("classifier.commands") for name in names), path
