"""crossval: a hundred models for the price of one, each as it would have been alone; error bars."""

import json
from itertools import chain, pairwise, product
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from classifier.base.errors import UserError
from classifier.model import batches
from classifier.model.batches import batch_blocks
from classifier.model.fill_and_scale import NOTHING
from classifier.model.member import Member
from classifier.model.members import (
    Epoch,
    build_members,
    initial_weights,
    train_members,
)
from classifier.model.network import build_network, compile_network
from classifier.model.runtime import keras, tf
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import Dataset, Kinds, open_dataset
from classifier.rows.groups import Groups
from classifier.rows.stratified import stratified_folds
from classifier.scoring import cross_validation
from classifier.scoring.answers import Answers
from classifier.scoring.baselines import majority
from classifier.scoring.folds import member_at
from classifier.scoring.intervals import INTERVALS
from classifier.scoring.out_of_fold import (
    OutOfFold,
    count_one_answer,
    read_out_of_fold,
    write_out_of_fold,
)
from classifier.scoring.scores import METRICS, Tally, macro_f1
from stages import crossval
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def iris(reproduced) -> Dataset:
    return open_dataset(reproduced.path / "data/prepared/train")


@pytest.fixture(scope="module")
def shipped() -> Train:
    return load_params(ROOT / "params.yaml").train


@pytest.fixture(scope="module")
def ten() -> Crossval:
    return Crossval(folds=10, repeats=1, probabilities=True, seed=42)


def members_at(
    places: list[tuple[int, int]], data: Dataset, settings: Crossval, recipe: Train
) -> list[Member]:
    return [member_at(place, data, settings, recipe) for place in places]


def members_of(data: Dataset, settings: Crossval, recipe: Train) -> list[Member]:
    return members_at(all_places(settings), data, settings, recipe)


def all_places(settings: Crossval) -> list[tuple[int, int]]:
    return list(product(range(1, settings.repeats + 1), range(1, settings.folds + 1)))


def ignore(_: Epoch) -> None:
    pass


def alone(data: Dataset, members: list[Member], place: int, recipe: Train) -> list[np.ndarray]:
    """Return the weights of a member trained by itself, by Keras' own layers and `fit`."""
    steps = -(-len(members[place].training) // recipe.batch_size)
    learned = members[place].learned
    network = build_network(data.features.shape[1], data.labels.shape[1], recipe, learned)
    start = initial_weights(data.features.shape[1], data.labels.shape[1], recipe,
                            [member.rng for member in members])  # fmt: skip
    start[0][np.asarray(learned.unseen)] = 0
    network.set_weights([weights[..., place] for weights in start])
    compile_network(network, recipe)
    network.steps_per_execution = steps

    def batches():
        epochs = (batch_blocks(data, members, NOTHING, recipe) for _ in range(recipe.epochs))
        for features, targets in chain.from_iterable(epochs):
            for batch in range(len(features)):
                exists = targets[batch, ..., place].any(axis=1)
                yield features[batch, exists, :, place], targets[batch, exists, :, place] > 0

    specs = [tf.TensorSpec((None, array.shape[1])) for array in (data.features, data.labels)]
    kept, weights = members[place].validation, members[place].weights
    network.fit(
        tf.data.Dataset.from_generator(batches, output_signature=tuple(specs)),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        validation_data=data.take(kept) if len(kept) else None,
        callbacks=[keras.callbacks.EarlyStopping(patience=recipe.patience,
                                                 restore_best_weights=True)]
        if recipe.patience else [],
        class_weight=None if weights is None else dict(enumerate(weights.tolist())),
        shuffle=False,
        verbose=0,
    )  # fmt: skip
    return list(network.get_weights())


# Each optimizer once; folds of different sizes; a last batch that is not full; matrix products.
# Few are small and have hidden layers: those are compiled, which takes most of the time.
NETWORKS: list[tuple[dict[str, Any], int]] = [
    ({"optimizer": "adam"}, 150),
    ({"optimizer": "adagrad", "hidden": [], "learning_rate": 0.1}, 150),
    ({"optimizer": "nadam", "hidden": [5, 4, 6], "activation": "gelu"}, 147),
    ({"optimizer": "sgd", "hidden": [200], "activation": "selu", "learning_rate": 0.05}, 150),
    ({"optimizer": "lion", "hidden": [], "batch_size": 64}, 149),
    ({"optimizer": "rmsprop", "hidden": [], "validation_fraction": 0.2}, 150),
    ({"optimizer": "adadelta", "hidden": [150, 3], "activation": "silu", "learning_rate": 1.0},
     141),
    ({"optimizer": "adamax", "hidden": [], "class_weight": "balanced"}, 110),
    ({"optimizer": "adamw", "epochs": 40, "validation_fraction": 0.2, "patience": 2,
      "learning_rate": 0.05}, 150),
]  # fmt: skip


QUICK = {"adam", "nadam", "sgd", "adamw", "adamax"}  # small, deep, large, stops early, weighs


def test_every_optimizer_is_among_the_networks():
    optimizers = get_args(Train.model_fields["optimizer"].annotation)
    assert {changes["optimizer"] for changes, _ in NETWORKS} == set(optimizers)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        pytest.param(*case, marks=[pytest.mark.slow] * (case[0]["optimizer"] not in QUICK))
        for case in NETWORKS
    ],
)
def test_a_member_ends_as_the_same_network_trained_alone(iris, shipped, ten, changes, rows):
    recipe = shipped.model_copy(update={"epochs": 6} | changes)
    data = Dataset(iris.features[:rows], iris.labels[:rows])
    ends_as_alone(data, recipe, ten)


# Scaled; that and gaps filled, in small networks and in matrix products, and stopping early.
LEARNED: list[dict[str, Any]] = [
    {"scale": "standard", "hidden": []},
    {"scale": "none", "hidden": []},
    {"scale": "standard", "hidden": [200], "epochs": 15, "validation_fraction": 0.2,
     "patience": 1, "learning_rate": 0.01},
]  # fmt: skip


@pytest.mark.parametrize("changes", LEARNED)
def test_a_member_learns_and_ends_as_the_same_network_alone(iris, shipped, ten, changes):
    data = with_gaps(iris)
    recipe = shipped.model_copy(update={"epochs": 6} | changes)
    assert any(np.asarray(member.learned.unseen)[7] for member in members_of(data, ten, recipe))
    ends_as_alone(data, recipe, ten)


def with_gaps(iris: Dataset) -> Dataset:
    """Return the rows with gaps, and with a text of four categories, the last one in one row."""
    rng = np.random.default_rng(0)
    features = np.where(rng.random(iris.features.shape) < 0.1, np.nan, iris.features)
    texts = np.eye(4)[rng.integers(3, size=len(iris))]
    texts[len(iris) // 2] = [0, 0, 0, 1]
    texts[rng.random(len(iris)) < 0.1] = np.nan
    everything = np.concatenate([features, texts], axis=1).astype(np.float32)
    return Dataset(everything, iris.labels, Kinds(texts=((4, 8),), gaps=True))


def ends_as_alone(data: Dataset, recipe: Train, ten: Crossval) -> None:
    sizes = [len(member_at(place, data, ten, recipe).training) for place in all_places(ten)]
    alike = next(cross_validation.side_by_side(np.array(sizes), recipe.batch_size, 10))
    places = [all_places(ten)[number] for number in alike]
    network = train_members(data, members_at(places, data, ten, recipe), recipe, ignore)
    single = alone(data, members_at(places, data, ten, recipe), 1, recipe)
    for together, by_itself in zip(network.get_weights(), single, strict=True):
        np.testing.assert_allclose(together[..., 1], by_itself, rtol=1e-3, atol=1e-4)


def test_a_member_is_the_same_to_the_bit_beside_any_others(iris, shipped, ten):
    recipe = shipped.model_copy(update={"epochs": 3})
    members = [(1, fold) for fold in range(1, 11)]
    many = train_members(iris, members_at(members, iris, ten, recipe), recipe, ignore)
    few = train_members(iris, members_at(members[:3], iris, ten, recipe), recipe, ignore)
    for of_three, of_ten in zip(few.get_weights(), many.get_weights(), strict=True):
        assert np.array_equal(of_three, of_ten[..., :3])


def test_weights_start_as_kerass_own_do(shipped):
    rngs = [np.random.default_rng(seed) for seed in range(60)]
    recipe = shipped.model_copy(update={"hidden": [8, 6]})
    ours = initial_weights(4, 3, recipe, rngs)
    keras.utils.set_random_seed(0)
    stock = [build_network(4, 3, recipe).get_weights() for _ in rngs]
    theirs_stacked = [np.stack(each, axis=-1) for each in zip(*stock, strict=True)]
    for drawn, theirs in zip(ours, theirs_stacked, strict=True):
        assert drawn.shape == theirs.shape
        assert np.abs(drawn).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)
        assert drawn.std() == pytest.approx(theirs.std(), rel=0.03)


@pytest.mark.parametrize(("rows", "folds"), [(150, 10), (147, 10), (149, 7), (23, 23)])
def test_folds_differ_by_one_row_at_most_in_all_and_of_each_class(rows, folds):
    class_index = np.repeat([0, 1, 2], 50)[:rows]
    fold = stratified_folds(class_index, None, folds, np.random.default_rng(1))
    sizes = np.bincount(fold, minlength=folds)
    assert sorted(set(sizes)) == sorted({rows // folds, -(-rows // folds)})
    assert all(before >= after for before, after in pairwise(sizes))
    for index in np.unique(class_index):
        of_class = np.bincount(fold[class_index == index], minlength=folds)
        assert of_class.max() - of_class.min() <= 1


@pytest.mark.parametrize("fraction", [0.0, 0.2])
@pytest.mark.parametrize("rows", [150, 147])
def test_each_row_is_tested_once_a_repeat_and_never_trained_on(iris, shipped, rows, fraction):
    data = Dataset(iris.features[:rows], iris.labels[:rows])
    settings = Crossval(folds=10, repeats=2, probabilities=True, seed=1)
    recipe = shipped.model_copy(update={"validation_fraction": fraction})
    members = members_of(data, settings, recipe)
    for member in members:
        everything = [*member.training, *member.validation, *member.test]
        assert sorted(everything) == list(range(rows))
        assert len(member.validation) == round((rows - len(member.test)) * fraction)
    for repeat in (members[:10], members[10:]):
        assert sorted(row for member in repeat for row in member.test) == list(range(rows))


def test_every_epoch_has_each_row_of_a_member_once(iris, shipped, ten):
    recipe = shipped.model_copy(update={"epochs": 2, "batch_size": 32})
    members = members_of(iris, ten, recipe)[:2]
    blocks = [block for _ in range(2) for block in batch_blocks(iris, members, NOTHING, recipe)]
    assert [features.shape for features, _ in blocks] == [(5, 32, 4, 2)] * 2
    for features, targets in blocks:
        exists = np.asarray(targets.any(axis=2))
        assert exists.sum(axis=(0, 1)).tolist() == [135, 135]
        assert targets.sum(axis=(1, 2)) == pytest.approx(1), "each batch's mean over its rows"
        first = features[..., 0][exists[..., 0]]
        rows = iris.features[members[0].training]
        assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, rows.tolist()))


def test_folds_of_which_some_have_one_batch_more_are_trained_apart(iris, shipped, ten):
    """Of 149 rows, 134 or 135 are trained on: two batches of 67, or three."""
    data = Dataset(iris.features[:149], iris.labels[:149], iris.kinds)
    recipe = shipped.model_copy(update={"epochs": 1, "batch_size": 67, "hidden": []})
    found, _, _ = crossval.cross_validate(data, ten, recipe)
    assert np.isfinite(found.losses).all()


def test_all_blocks_have_one_shape_and_each_row_once(iris, shipped, ten, monkeypatch):
    """Of blocks of one shape, the training is compiled once; 27 batches do not make five blocks."""
    recipe = shipped.model_copy(update={"batch_size": 5})
    members = members_of(iris, ten, recipe)[:2]
    monkeypatch.setattr(batches, "BLOCK_CELLS", 7 * 6 * 5 * 2)
    blocks = list(batch_blocks(iris, members, NOTHING, recipe))
    assert [features.shape for features, _ in blocks] == [(6, 5, 4, 2)] * 5
    rows = np.concatenate([targets.any(axis=2).sum(axis=1) for _, targets in blocks])
    assert rows[:27].tolist() == [[5, 5]] * 27
    assert not rows[27:].any()


def test_what_is_made_ahead_comes_in_order_and_an_error_in_its_turn():
    def items():
        yield from (1, None, 2)
        raise UserError("here")

    made = batches.made_ahead(items())
    assert [next(made) for _ in range(3)] == [1, None, 2]
    with pytest.raises(UserError, match="here"):
        next(made)


def test_groups_are_no_larger_than_the_limit_and_have_equal_numbers_of_batches():
    sizes = [127, 128] * 15
    groups = list(cross_validation.side_by_side(np.array(sizes), 127, 7))
    assert sorted(chain.from_iterable(groups)) == list(range(30))
    assert sorted(map(len, groups)) == [5, 5, 5, 5, 5, 5]
    assert all(len({sizes[number] for number in group}) == 1 for group in groups)


@pytest.mark.parametrize("count", [1, 2])
def test_results_do_not_depend_on_the_groups(iris, shipped, monkeypatch, count):
    settings = Crossval(folds=2, repeats=3 - count, probabilities=True, seed=3)
    recipe = shipped.model_copy(update={"epochs": 3, "members": count})
    data = Dataset(iris.features[:149], iris.labels[:149])
    one, probabilities, of_members = crossval.cross_validate(data, settings, recipe)
    monkeypatch.setattr(cross_validation, "MEMORY", 0)
    monkeypatch.setattr(batches, "BLOCK_CELLS", 0)
    other, same, tally = crossval.cross_validate(data, settings, recipe)
    assert np.array_equal(probabilities, same)
    assert np.array_equal(one.losses, other.losses)
    assert np.array_equal(of_members.counts, tally.counts)
    np.testing.assert_allclose(of_members.losses, tally.losses, rtol=1e-12)


def test_scores_are_those_of_keras_and_of_their_definitions(iris, shipped, ten):
    recipe = shipped.model_copy(update={"epochs": 30})
    ones = members_of(iris, ten, recipe)
    network = train_members(iris, ones, recipe, ignore)
    scores = cross_validation.tally(network, iris, ones).scores()
    stock = build_network(4, 3, recipe)
    compile_network(stock, recipe)
    for place, member in enumerate(ones[:3]):
        stock.set_weights([weights[..., place] for weights in network.get_weights()])
        rows = (iris.features[member.test], iris.labels[member.test])
        expected = stock.evaluate(*rows, verbose=0, return_dict=True)
        for metric in ("accuracy", "loss"):
            assert scores[metric][place] == pytest.approx(expected[metric], abs=1e-5)
    assert macro_f1(*np.array([[5, 4, 0], [5, 6, 0], [7, 4, 0]])) == pytest.approx(49 / 60)


def test_a_row_gets_the_mean_of_the_members_that_did_not_train_it(iris, shipped, ten):
    recipe = shipped.model_copy(update={"epochs": 30, "members": 3})
    found, kept, of_members = crossval.cross_validate(iris, ten, recipe)
    first = member_at((1, 1), iris, ten, recipe)
    siblings = [first.sibling(number) for number in range(3)]
    network = train_members(iris, siblings, recipe, ignore)
    rows = np.repeat(iris.features[first.test][..., None], 3, axis=2)
    probabilities = keras.ops.softmax(network(rows), axis=1).numpy().astype(float)
    labels, mean = iris.labels[first.test], probabilities.mean(axis=2)
    assert kept[0, first.test] == pytest.approx(mean, abs=1e-6)
    assert found.predicted[0, first.test].tolist() == mean.argmax(axis=1).tolist()
    assert found.losses[0, first.test] == pytest.approx(-np.log(mean[labels > 0]), abs=1e-5)
    losses = -np.log(probabilities[labels > 0]).mean(axis=0)
    assert of_members.scores()["loss"][0] == pytest.approx(losses, abs=1e-5)
    folds = crossval.folds_of(found, of_members, 10)
    assert folds.loss_of_one[0] == pytest.approx(losses.mean(), abs=1e-5)
    assert folds.loss_of_one_std[0] == pytest.approx(losses.std(ddof=1), abs=1e-5)
    answers = Answers(found, kept, [*iris.kinds.classes])
    summary = crossval.summary(answers, of_members, {})["beside"]["one_network"]["loss"]
    assert summary["mean"] == pytest.approx(folds.loss_of_one.mean()), "folds of as many rows"
    assert summary["std_on_fold"] == pytest.approx(np.sqrt((folds.loss_of_one_std**2).mean()))


def test_one_network_alone_is_worth_what_a_recipe_of_one_is():
    """On all rows, whatever the sizes of folds, and of classes that are not in each of them."""
    rng, of_rows = np.random.default_rng(0), np.repeat(np.arange(8, dtype=np.int32), [40] + [4] * 7)
    features = rng.normal(size=(68, 3)).astype(np.float32)
    labels = np.eye(3, dtype=np.uint8)[(features[:, 0] > 0) + 1 * (of_rows == 3)]
    data = Dataset(features, labels, groups=Groups(of_rows))
    settings = Crossval(folds=4, repeats=1, probabilities=True, seed=1)
    recipe = load_params(ROOT / "params.yaml").train.model_copy(update={"epochs": 5, "members": 2})
    _, _, of_members = crossval.cross_validate(data, settings, recipe)
    parts = [Tally(of_members.counts[..., [at]], of_members.losses[:, [at]]) for at in range(2)]
    first, second = (part.total().scores() for part in parts)
    one = recipe.model_copy(update={"members": 1})
    found, _, _ = crossval.cross_validate(data, settings, one)
    of_one = crossval.one_network(of_members)
    for metric in METRICS:
        assert first[metric] == pytest.approx(found.scores(metric).mean(), abs=1e-6)
        both = (first[metric] + second[metric]) / 2
        assert of_one[metric]["mean"] == pytest.approx(both)


def test_the_files_of_a_run_fit_each_other(reproduced):
    folds = pd.read_csv(reproduced.path / "metrics/folds.csv")
    found = read_out_of_fold(reproduced.path / "metrics/out_of_fold.csv")
    summary = json.loads(reproduced.read("metrics/crossval.json"))
    assert list(folds) == ["repeat", "fold", "accuracy", "loss", "macro_f1"]
    assert len(folds) == summary["models"] == found.models.max() + 1 == 100
    for metric, values in found.by_model().items():
        assert folds[metric].to_numpy() == pytest.approx(values, abs=2e-6)
        assert summary[metric]["std"] == pytest.approx(values.std(ddof=1), abs=2e-6)
        spread = found.spread(metric)
        interval = INTERVALS[metric](spread, False)
        written = [summary[metric][key] for key in ("mean", "ci95_low", "ci95_high")]
        assert written == pytest.approx([interval.mean, interval.low, interval.high], abs=2e-6)


def test_what_is_written_is_read_again(iris, shipped, tmp_path):
    settings = Crossval(folds=3, repeats=2, probabilities=True, seed=3)
    recipe = shipped.model_copy(update={"epochs": 2})
    found, probabilities, _ = crossval.cross_validate(iris, settings, recipe)
    names = ["a", "NA", 'b "c", d']
    write_out_of_fold(found, probabilities, names, tmp_path / "all.csv")
    write_out_of_fold(found, None, names, tmp_path / "few.csv")
    for path in (tmp_path / "all.csv", tmp_path / "few.csv"):
        read = read_out_of_fold(path)
        for name in ("actual", "predicted", "models"):
            assert np.array_equal(getattr(read, name), getattr(found, name)), name
        assert read.losses == pytest.approx(found.losses, abs=1e-6)
    table = pd.read_csv(tmp_path / "all.csv", keep_default_na=False)
    assert [*table][6:] == [f"probability_{name}" for name in names]
    assert table.iloc[:, 6:].to_numpy() == pytest.approx(probabilities.reshape(-1, 3), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_out_of_fold_has_a_column_for_each_of_many_classes(tmp_path):
    rows, classes = np.arange(150), [f"c{n}" for n in range(150)]
    found = OutOfFold(rows, rows[None], np.zeros((1, 150)), rows[None] // 75, rows)
    probabilities = np.eye(150, dtype=np.float32)[None]
    write_out_of_fold(found, probabilities, classes, tmp_path / "all.csv")
    table = pd.read_csv(tmp_path / "all.csv")
    assert (table.iloc[:, 6:].to_numpy() == probabilities[0]).all()


def test_models_of_one_answer_are_those_that_should_have_given_another():
    folds = {
        "one answer for rows of two classes": ([0] * 6 + [1] * 6, [0] * 12, 1),
        "one that is never right": ([0] * 6 + [1] * 6, [2] * 12, 1),
        "two answers": ([0] * 6 + [1] * 6, [0] * 11 + [1], 0),
        "one, where few rows are of another class": ([0] * 9 + [1, 1, 2], [0] * 12, 0),
        "one, where four rows are of other classes": ([0] * 8 + [1, 1, 2, 2], [0] * 12, 1),
    }
    other, rows = ([0] * 6 + [1] * 6, [0, 1] * 6), np.arange(24)
    models = np.array([[0] * 12 + [1] * 12])
    for name, (actual, predicted, count) in folds.items():
        answers = OutOfFold(
            np.array(actual + other[0]), np.array([predicted + other[1]]), np.zeros((1, 24)),
            models, rows,
        )  # fmt: skip
        assert count_one_answer(answers) == {"models_of_one_answer": count}, name
    alone = OutOfFold(np.zeros(24, int), np.zeros((1, 24), int), np.zeros((1, 24)), models, rows)
    assert count_one_answer(alone) == {}, "no fold tells"


def test_a_classifier_has_to_beat_the_most_frequent_class(reproduced):
    """Worked by hand: 3 of 5 rows are of class 0, none of the third."""
    actual, models = np.array([0, 0, 0, 1, 1]), np.array([[0, 0, 0, 0, 1]])
    answers = OutOfFold(actual, models, models.astype(float), models, np.arange(5))
    found = majority(answers, classes=3)
    assert found.predicted.tolist() == [[0] * 5]
    assert found.losses[0] == pytest.approx([-np.log(4 / 8)] * 3 + [-np.log(3 / 8)] * 2)
    summary = json.loads(reproduced.read("metrics/crossval.json"))
    shipped, most, plain = summary["beside"].items()
    assert (shipped[0], most[0], plain[0]) == ("shipped", "majority", "no_hidden_layer")
    assert most[1]["accuracy"]["mean"] == 0.333333
    balanced = most[1]["balanced_accuracy"]
    assert balanced["difference"] == pytest.approx(
        summary["out_of_fold"]["balanced_accuracy"] - 1 / 3, abs=2e-6
    )
    for part in (each["accuracy"] for _, each in (most, plain)):
        gain = summary["accuracy"]["mean"] - part["mean"]
        assert part["difference"] == pytest.approx(gain, abs=2e-6)
        assert part["ci95_low"] > 0.1


def test_what_does_not_fit_in_memory_is_one_line(iris, shipped, ten, monkeypatch):
    monkeypatch.setattr(cross_validation, "MOST_CELLS", 449)
    with pytest.raises(UserError, match=r"^crossval.repeats: repeats x rows x classes are 450, mo"):
        crossval.cross_validate(iris, ten, shipped)


def test_without_folds_nothing_is_trained_and_the_files_say_so(copied):
    copied.edit("params.yaml", "folds: 10 ", "folds: 0 ")
    script = "import sys; from stages.crossval import main; main(); print('keras' in sys.modules)"
    assert copied.run("python", "-c", script).stdout == "False\n"
    assert json.loads(copied.read("metrics/crossval.json")) == {"models": 0}
    assert copied.read("metrics/folds.csv") == "repeat,fold,accuracy,loss,macro_f1\n"
    copied.dvc("plots", "show", "metrics/folds.csv")


@pytest.mark.parametrize(
    ("settings", "recipe", "words"),
    [
        ({"folds": 151}, {}, "crossval.folds: 151 folds, but only 150 rows"),
        ({}, {"optimizer": "sgd", "learning_rate": 100.0, "activation": "linear",
              "hidden": [8, 8, 8]}, "training diverged: the loss of 10 of 10 models"),
        ({}, {"optimizer": "sgd", "learning_rate": 100.0, "activation": "linear", "patience": 2,
              "hidden": [8, 8, 8], "validation_fraction": 0.2},
         "training diverged: the loss of 10 of 10 models"),
        ({}, {"optimizer": "sgd", "learning_rate": 100.0, "activation": "linear", "members": 3,
              "hidden": [8, 8, 8]}, "training diverged: the loss of 30 of 30 models"),
        ({}, {"validation_fraction": 0.999}, "train.validation_fraction: keeps aside all of "),
    ],
)  # fmt: skip
def test_what_cannot_be_cross_validated_is_one_line(iris, shipped, ten, settings, recipe, words):
    with pytest.raises(UserError, match=f"^{words}"):
        crossval.cross_validate(
            iris, ten.model_copy(update=settings), shipped.model_copy(update={"epochs": 9} | recipe)
        )


def test_a_network_too_large_is_one_line(iris, shipped, ten):
    with pytest.raises(UserError, match=r"^train.hidden: a network this large does not fit"):
        crossval.cross_validate(
            iris, ten, shipped.model_copy(update={"hidden": [100_000, 100_000]})
        )


def test_a_batch_holds_no_more_rows_than_there_are(iris, shipped, ten):
    recipe = shipped.model_copy(update={"batch_size": 1_000_000})
    (block,) = batch_blocks(iris, members_of(iris, ten, recipe), NOTHING, recipe)
    assert [array.shape for array in block] == [(1, 135, 4, 10), (1, 135, 3, 10)]
    assert cross_validation.bytes_per_member(iris, 135, recipe) < 50_000


def test_of_models_that_are_tested_on_one_row_nothing_is_said_of_one(iris, shipped, ten, capsys):
    alone = ten.model_copy(update={"folds": 30})
    data = Dataset(iris.features[::5], iris.labels[::5], iris.kinds)
    recipe = shipped.model_copy(update={"epochs": 1, "hidden": []})
    found, kept, of_members = crossval.cross_validate(data, alone, recipe)
    answers = Answers(found, kept, [*iris.kinds.classes])
    assert crossval.summary(answers, of_members, {})["beside"] == {}
    crossval.say_if_models_are_hardly_tested(data, alone)
    assert "nothing tells how much models differ" in capsys.readouterr().err


def test_rows_that_stand_more_than_once_are_told(iris, ten, capsys):
    copied = Dataset(iris.features[[0, 1, 0, 2, 0]], iris.labels[:5])
    crossval.say_how_many_are_copies(copied, ten)
    crossval.say_how_many_are_copies(Dataset(iris.features[:3], iris.labels[:3]), ten)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("crossval: 3 of 5 rows are duplicates; a model that")


@pytest.mark.parametrize(("distance", "copies"), [(1, 0), (20, 2)])
def test_copies_within_a_stretch_of_time_are_known_to_no_model_that_is_tested_on_them(
    iris, capsys, distance, copies
):
    rows = np.arange(40)
    rows[15 + distance] = 15
    times = Groups(np.arange(40, dtype=np.int32), in_time=True)
    features = rows[:, None].astype(np.float32)
    data = Dataset(features, iris.labels[:40], groups=times)
    folds = Crossval(folds=3, repeats=1, probabilities=True, seed=1)
    crossval.say_how_many_are_copies(data, folds)
    told = capsys.readouterr().err
    assert (f"crossval: {copies} of 40 rows are duplicates" in told) == bool(told) == bool(copies)


def test_long_work_is_announced(capsys):
    crossval.announce(100, 150, 9_000_000)
    crossval.announce(100, 150, 135)
    (line,) = capsys.readouterr().err.splitlines()
    assert "100 networks, 150 epochs, 9,000,000 rows each" in line


def test_a_network_of_members_is_a_keras_model_of_any_depth(shipped):
    network = build_members(7, 4, 3, shipped.model_copy(update={"hidden": [5, 6]}))
    assert isinstance(network, keras.Model)
    assert network(np.zeros((2, 4, 7), np.float32)).shape == (2, 3, 7)
