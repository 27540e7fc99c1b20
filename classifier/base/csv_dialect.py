"""What may stand between cells, and in which encodings; params.yaml and schema.json share it."""

import codecs
import re
from typing import Annotated

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


Delimiter = Annotated[str, AfterValidator(_delimiter)]
Encoding = Annotated[str, AfterValidator(_encoding)]
