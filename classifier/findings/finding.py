"""A finding: what was seen, how bad it is, and what to do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from classifier.base.dvc_lock import require_recorded
from classifier.base.paths import FINDINGS

Level = Literal["problem", "warning", "note"]
LEVELS: tuple[Level, ...] = ("problem", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about a table or its classifier.

    level: `problem`, the classifier should not be used as it is; `warning`, its numbers may not
    mean what they seem to; `note`, it could be better. about: which of the two it concerns.
    """

    level: Level
    about: Literal["table", "model"]
    seen: str
    advice: str

    def __str__(self) -> str:
        return f"{self.level}: {self.seen}; {self.advice}"


def recorded_findings() -> list[Finding]:
    """Return the findings; raise `UserError` unless they are those that dvc.lock names."""
    return [Finding(**one) for one in json.loads(require_recorded(FINDINGS).read_bytes())]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, problems first, those of one level in the order that they came in."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))
