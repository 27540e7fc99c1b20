"""How to cite the project, under which licence it is, and what has changed."""

import re
import tomllib

import yaml

from tests.conftest import ROOT, Clone


def test_the_citation_is_valid():
    schema = ["--builtin-schema", "vendor.citation-file-format", "CITATION.cff"]
    Clone(ROOT).run("check-jsonschema", *schema)


def test_version_and_licence_are_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert (
        "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()
    )
    released = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == project["version"]
