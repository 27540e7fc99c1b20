""".github/workflows/ci.yml: linters find nothing in it, and what it runs does run."""

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Clone

WORKFLOW = ".github/workflows/ci.yml"
STEPS = yaml.safe_load((ROOT / WORKFLOW).read_text())["jobs"]["pipeline"]["steps"]
RUN = {step["name"]: step["run"] for step in STEPS if "run" in step}


def test_linters_find_nothing_in_it():
    schema = ["--builtin-schema", "vendor.github-workflows", WORKFLOW]
    Clone(ROOT).run("check-jsonschema", *schema)
    Clone(ROOT).run("zizmor", "--offline", "--quiet", ".")


def test_it_makes_what_the_makefile_knows():
    targets = re.findall(r"^make (\S+)", "\n".join(RUN.values()), re.MULTILINE)
    assert targets == ["lint", "environment", "test"]
    Clone(ROOT).run("make", "--dry-run", *targets)


@pytest.fixture
def pulled(compared: Clone, tmp_path: Path) -> Clone:
    """A clone of a pull request whose base is the commit before."""
    clone = compared.copy(tmp_path / "clone")
    clone.environment |= {"BASE": "HEAD~1", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    return clone


def test_its_report_begins_with_the_verdict_and_says_what_is_more_than_noise(pulled):
    pulled.run("bash", "-e", "-c", RUN["Report"])
    report = pulled.read("report.md")
    assert report.startswith("## species, predicted from 4 columns\n")
    assert "- **worse**: loss " in report
    assert pulled.classifier("report", "--against", "HEAD~1", "--markdown").stdout == report
    assert (pulled.path.parent / "summary.md").read_text() == report


def test_its_report_has_the_verdict_where_there_is_nothing_to_compare(pulled):
    pulled.git("rm", "--quiet", "dvc.lock")
    pulled.commit("No results")
    pulled.git("checkout", "--quiet", "HEAD~1", "dvc.lock")
    pulled.environment["BASE"] = "HEAD"
    shown = pulled.run("bash", "-e", "-c", "\n".join(RUN["Report"].splitlines()[3:]))
    assert "error: HEAD: has no dvc.lock" in shown.stderr
    assert pulled.read("report.md").startswith("## species, predicted from 4 columns\n")


def test_it_ends_where_the_results_are_not_those_committed(pulled):
    expect = ["bash", "-e", "-c", RUN["Expect the results that were committed"]]
    pulled.run(*expect)
    (pulled.path / "dvc.lock").write_text("")
    assert pulled.run(*expect, check=False).returncode == 1


def test_system_packages_are_named_alike_everywhere():
    installs = [
        re.findall(r"apt-get install --yes (?:-qq )?([-a-z ]+[a-z])", (ROOT / path).read_text())
        for path in (WORKFLOW, ".ci/run", "CONTRIBUTING.md")
    ]
    assert installs[0] == installs[1] == installs[2]
    assert len(installs[0]) == 1
