"""How much the seed alone moves the recipe's accuracy on the rows that it was trained on.

Trains the network of params.yaml from many starts, on all rows in many orders:
`python -m benchmarks.seeds`, after `dvc repro`.
"""

import numpy as np

from classifier.base.paths import TRAINING_ROWS
from classifier.base.progress import Progress
from classifier.model.fill_and_scale import learn
from classifier.model.member import Member
from classifier.model.members import train_members
from classifier.params import load_params
from classifier.rows.dataset import open_dataset
from classifier.scoring.cross_validation import tally

SEEDS = 100


def main() -> None:
    data, recipe = open_dataset(TRAINING_ROWS), load_params().train
    everything, nothing = np.arange(len(data), dtype=np.int32), np.empty(0, np.int32)
    learned = learn(data, everything, recipe.scale == "standard")
    members = [Member(everything, nothing, everything, learned, seed) for seed in range(SEEDS)]
    with Progress(desc="seeds", total=SEEDS * recipe.epochs, unit="epoch") as bar:
        network = train_members(data, members, recipe, lambda epoch: bar.update(len(epoch.loss)))
    for metric, values in tally(network, data, members).scores().items():
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        print(f"{metric}: {low:.3f} to {high:.3f}, median {middle:.3f}, over {SEEDS} seeds")


if __name__ == "__main__":
    main()
