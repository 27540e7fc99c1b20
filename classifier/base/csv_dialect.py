"""How tables may be written; params.yaml and schema.json share it."""

import codecs
import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator


def _delimiter(delimiter: str) -> str:
    if not re.fullmatch(r"""(?![0-9A-Za-z\r\n"'.+-])[\x01-\x7f]""", delimiter):
        raise ValueError(
            "should be one ASCII character, no letter, digit, quote, line break or any of .+-"
        )
    return delimiter


def _encoding(name: str) -> str:
    sample = "a,1.5\n"
    try:
        # Other codecs, of base64 say, refuse; a table is read piece by piece, which not all can.
        pieces = (bytes([byte]) for byte in sample.encode(name))
        if "".join(codecs.iterdecode(pieces, name)) == sample:
            return codecs.lookup(name).name
    except (LookupError, ValueError):
        pass
    raise ValueError("should be an encoding of text that Python knows, such as utf-8")


def _date_format(written: str) -> str:
    directives = {*re.findall("%(.)", written)}
    if "Z" in directives:
        raise ValueError("should have %z, for +0100, or a plain UTC: %Z depends on the machine")
    if "p" in directives and "I" not in directives:
        raise ValueError("should have %I beside %p: with %H, PM is read as AM")
    time = datetime(1931, 2, 28, 13, 45, tzinfo=UTC)  # %y has 2031, %I without %p the night
    try:
        found = datetime.strptime(time.strftime(written), written)
        if found.date() == time.date() and found.hour in (0, time.hour):
            return written
    except (ValueError, re.error):
        pass
    raise ValueError("should say year, month and day, as %Y-%m-%d does, and years in four digits")


def _dates(entry: str | list[str]) -> str | list[str]:
    if isinstance(entry, str):
        return _date_format(entry)
    written, *parts = entry or [""]
    _date_format(written)
    if not {*parts} <= {"month", "weekday"} or len({*parts}) < len(parts):
        raise ValueError('should be a format, then month, weekday or both: ["%Y-%m-%d", month]')
    return entry


Delimiter = Annotated[str, AfterValidator(_delimiter)]
Encoding = Annotated[str, AfterValidator(_encoding)]
DateFormat = Annotated[str, AfterValidator(_date_format)]
DatesEntry = Annotated[str | list[str], AfterValidator(_dates)]  # of prepare.dates
NumberFormat = Literal["1,234.5", "1.234,5", "1 234.5", "1 234,5", "1'234.5", "1234,5"]
