"""Model files that are the same bytes for the same model.

Keras writes three things into a .keras file that differ on every save: the date in
metadata.json, the time of a zip entry, and `shared_object_id` in config.json, which is the
memory address of an object.
"""

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from classifier.base.errors import REPRO_FIRST, UserError, require_file
from classifier.base.files import replaced_file
from classifier.model.runtime import keras

DATE_SAVED = "1980-01-01@00:00:00"
ENTRY_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold
FLOAT_BYTES = 4


def save_keras(network: Any, path: Path) -> None:
    """Write a .keras file, the same for the same model, that stock Keras loads."""
    with tempfile.TemporaryDirectory() as folder, replaced_file(path) as temporary:
        saved = Path(folder, path.name)
        network.save(saved)
        _write_canonical(saved, temporary)


def _write_canonical(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as entries, zipfile.ZipFile(target, "w") as canonical:
        for name in sorted(entries.namelist()):
            entry = zipfile.ZipInfo(name, ENTRY_TIME)
            canonical.writestr(entry, _canonical_entry(name, entries.read(name)))


def _canonical_entry(name: str, content: bytes) -> bytes:
    if name == "metadata.json":
        return json.dumps(json.loads(content) | {"date_saved": DATE_SAVED}).encode()
    if name == "config.json":
        return json.dumps(_renumbered(json.loads(content), {})).encode()
    return content


def _renumbered(config: Any, numbers: dict[int, int]) -> Any:
    """Return the config with each shared_object_id replaced by its place of first occurrence."""
    if isinstance(config, list):
        return [_renumbered(item, numbers) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: numbers.setdefault(value, len(numbers) + 1)
        if key == "shared_object_id"
        else _renumbered(value, numbers)
        for key, value in config.items()
    }


def load_keras(path: Path) -> Any:
    """Return the keras.Sequential in a .keras file; no code that the file carries is run.

    Raises:
        UserError: there is no such file or it is damaged.
    """
    require_file(path, REPRO_FIRST)
    try:
        _require_weights(path)
        return keras.saving.load_model(path, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # damage shows in errors of almost any class
        raise UserError(f"{path}: is damaged or not a Keras model") from error


def _require_weights(path: Path) -> None:
    """Raise an error unless a .keras file holds at least the weights that its layers have.

    A few bytes can name a layer of billions, for which Keras would try to get the memory. In a
    stateless scope it makes none.
    """
    with zipfile.ZipFile(path) as entries:
        config = json.loads(entries.read("config.json"))
        stored = entries.getinfo("model.weights.h5").file_size
    config.pop("compile_config", None)  # an optimizer cannot be made in the scope
    with keras.StatelessScope(initialize_variables=False):
        network = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if FLOAT_BYTES * network.count_params() > stored:
        raise ValueError(f"has no weights for {network.count_params()} parameters")
