"""A table read once, in chunks, into arrays on disk, its categories and classes learned."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError, quoted, shown
from classifier.preparing.columns import ADVICE, Columns
from classifier.rows.dataset import ArrayWriter, open_array
from classifier.table.cells import is_meant_as_number
from classifier.table.reader import Chunk
from classifier.table.schema import MISSING, Rows, Vocabulary

MOST_WORDS = 3  # that may stand for no value in a column of numbers
BLOCK_CELLS = 2_000_000  # of the arrays on disk that are in memory at a time


@dataclass(frozen=True)
class StoredRows:
    """The rows of a table in files in a folder, and what the codes of their texts mean.

    Files are mapped anew for each use: what is read through a map counts as memory until it goes.
    """

    folder: Path
    vocabularies: dict[str, Vocabulary]

    @property
    def features(self) -> Rows:
        return Rows(open_array(self.folder / "numbers.npy"), open_array(self.folder / "codes.npy"))

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """The codes of the labels, (rows,) int32."""
        labels: npt.NDArray[np.int32] = open_array(self.folder / "labels.npy")[:, 0]
        return labels

    def blocks(self) -> Iterator[slice]:
        """Yield slices over all rows, each of no more than fits in memory."""
        features, rows = self.features, len(self.labels)
        step = max(1, BLOCK_CELLS // (features.numbers.shape[1] + features.codes.shape[1] + 1))
        return (slice(at, at + step) for at in range(0, rows, step))

    def sample(self, wanted: int) -> npt.NDArray[np.float32]:
        """Return the numbers of about so many rows, from the start of each block."""
        starts = [block.start for block in self.blocks()]
        each = -(-wanted // len(starts))
        return np.concatenate([self.features.numbers[at : at + each] for at in starts])

    def complete(self, block: slice) -> npt.NDArray[np.bool_]:
        """Return which rows of the block have no gap."""
        labelled: npt.NDArray[np.bool_] = self.labels[block] != MISSING
        return self.features[block].complete() & labelled


def store_rows(columns: Columns, max_categories: int, folder: Path) -> StoredRows:
    """Read the table once, learn its categories and classes, and store its rows in `folder`.

    Raises:
        UserError: something is wrong with a row, or a column has too many different values.
    """
    names = [*columns.texts, columns.label]
    vocabularies = {name: Vocabulary(columns.table.layout) for name in names}
    with ExitStack() as stack:

        def writer(name: str, width: int, dtype: npt.DTypeLike) -> ArrayWriter:
            return stack.enter_context(ArrayWriter(folder / f"{name}.npy", width, dtype))

        numbers = writer("numbers", len(columns.table.numbers), np.float32)
        codes = writer("codes", len(columns.texts), np.int32)
        labels = writer("labels", 1, np.int32)
        for chunk in columns.table.chunks("prepare"):
            coded = learn_codes(columns, vocabularies, chunk, max_categories)
            numbers.append(chunk.numbers)
            codes.append(coded[:, :-1])
            labels.append(coded[:, -1:])
    for name in columns.texts:
        if name not in columns.told:
            refuse_words_for_gaps(columns.table.path, name, list(vocabularies[name].places))
    return StoredRows(folder, vocabularies)


def refuse_words_for_gaps(path: Path, name: str, values: list[str]) -> None:
    """Raise `UserError` if a column of text is many numbers and few words, as N/A and - are."""
    words = [value for value in values if not is_meant_as_number(value)]
    if 0 < len(words) <= MOST_WORDS and len(values) - len(words) > len(words):
        raise UserError(
            f"{path}: column {shown(name)}: is numbers but for {', '.join(map(quoted, words))}, "
            f"which most rows have{ADVICE}"
        )


def learn_codes(
    columns: Columns, vocabularies: dict[str, Vocabulary], chunk: Chunk, limit: int
) -> npt.NDArray[np.int32]:
    """Return the codes of the chunk's text columns, the label last; new values get new codes.

    Raises:
        UserError: a value is missing that is required, or there are too many different ones.
    """
    codes = np.empty((len(chunk), len(vocabularies)), np.int32)
    required = set(columns.table.required)
    for place, (name, vocabulary) in enumerate(vocabularies.items()):
        vocabulary.learn(chunk.texts[name])
        codes[:, place] = vocabulary.codes(chunk.texts[name])
        if len(vocabulary.places) > limit:
            advice = "if it names the rows, prepare.exclude leaves it out"
            if name == columns.label:
                advice = "is it the column to predict, prepare.label?"
            raise UserError(
                f"{columns.table.path}: column {shown(name)}: has more than {limit} different "
                f"values (prepare.max_categories); {advice}"
            )
        if name in required and (codes[:, place] == MISSING).any():
            columns.table.explain()
    return codes
