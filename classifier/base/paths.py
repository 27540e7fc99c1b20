"""Where each file of the project is, from its top folder."""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
PACKAGES = Path("requirements.txt")
PROJECT = Path("pyproject.toml")
DVC_IGNORE = Path(".dvcignore")

SOURCES = Path("data/source")
ABOUT_TABLES = Path("data/README.md")  # what each is, where it is from, its licence
RAW = Path("data/raw.csv")
PREPARED = Path("data/prepared")
TRAINING_ROWS = PREPARED / "train"
SCHEMA = PREPARED / "schema.json"
PREVIEW = PREPARED / "preview.csv"
ODDITIES = PREPARED / "oddities.json"
TEST_SETS = Path("data/test_sets")

MODEL_CARD = Path("models/MODEL_CARD.md")
KERAS_MODEL = Path("models/classifier.keras")
ONNX_MODEL = Path("models/classifier.onnx")

INPUTS = Path("metrics/inputs")  # what each stage was run with, as it has recorded itself
HISTORY = Path("metrics/history.csv")
ENVIRONMENT = Path("metrics/environment.json")
FOLDS = Path("metrics/folds.csv")
OUT_OF_FOLD = Path("metrics/out_of_fold.csv")
CROSSVAL = Path("metrics/crossval.json")
CONFUSION = Path("metrics/confusion.csv")
RELIABILITY = Path("metrics/reliability.csv")
EVALUATION = Path("metrics/evaluation.json")
PREDICTIONS = Path("metrics/predictions")
FINDINGS = Path("metrics/findings.json")
SUMMARY = Path("metrics/summary.md")
HEADLINE = Path("metrics/summary.json")
