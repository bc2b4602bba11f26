import base64
from xml.etree import ElementTree

import pytest

from contract.settings import CandidateSettings, TrainingSettings
from report.candidates.recipe import describe_recipe, draw_learning_curve, kept_epoch
from tests.report.made_reports import make_ensemble, make_report


@pytest.mark.parametrize(("restores", "epoch"), [(True, 2), (False, 3)])
def test_the_best_or_the_last_weights_are_used(restores, epoch):
    assert kept_epoch(make_report(restore_best_weights=restores)) == epoch


def test_an_ensemble_has_kept_no_epoch():
    assert kept_epoch(make_ensemble(["first"])) == 0


def recipe_of(candidate):
    return describe_recipe(
        candidate,
        num_parameters=12345,
        num_epochs=4,
        kept_epoch=3,
        training_s=1234.4,
    )


def test_a_recipe_names_what_shaped_the_training():
    training = TrainingSettings(optimizer="sgd", momentum=0.8, learning_rate=0.01, epochs=9)
    recipe = recipe_of(CandidateSettings(architecture="ann_deep", training=training))
    assert "ann_deep, 12,345 parameters" in recipe
    assert "sgd (momentum 0.8) at a rate of 0.01" in recipe
    assert "4 of at most 9 epochs (patience 10), the weights of epoch 3 kept" in recipe
    assert "trained in 1,234 s" in recipe
    assert "backbone" not in recipe


def test_weights_are_told_without_their_folder():
    candidate = CandidateSettings(architecture="xception", weights="/home/me/weights.h5")
    recipe = recipe_of(candidate)
    assert "backbone's weights: weights.h5" in recipe
    assert "/home/me" not in recipe


@pytest.mark.parametrize(
    ("training", "words", "most_epochs"),
    [
        ({}, "backbone frozen", 20),
        (
            {"backbone": "whole", "head_epochs": 2, "layer_decay": 0.7},
            "backbone trained as a whole after 2 epochs of the head alone, rates falling by 0.7 "
            "from stage to stage",
            22,
        ),
        ({"backbone": "whole"}, "; backbone trained as a whole;", 20),
        ({"backbone": "whole", "head_epochs": 1}, "after 1 epoch of the head alone;", 21),
        (
            {"fine_tuning": {"num_layers": 30, "epochs": 5}},
            "its last 30 layers trained after the head",
            25,
        ),
    ],
)
def test_how_much_of_a_backbone_was_trained_is_told(training, words, most_epochs):
    settings = TrainingSettings(epochs=20, **training)
    recipe = recipe_of(CandidateSettings(architecture="efficientnet_lite0", training=settings))
    assert words in recipe
    assert f"4 of at most {most_epochs} epochs" in recipe


CURVES = {
    "loss": [0.7, 0.5, 0.4],
    "val_loss": [0.6, 0.45, 0.55],
    "recall": [0.9, 0.8, 0.85],
    "val_recall": [0.95, 0.9, 0.9],
}


def svg_of(picture):
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def test_a_curve_tells_its_course():
    picture = draw_learning_curve("ann_deep", CURVES, "loss", 3)
    assert picture.alt == (
        "Loss of ann_deep, epochs 1 to 3: on train from 0.700 to 0.400, on validation from 0.600 "
        "to 0.550, there lowest 0.450 and highest 0.600; the weights of epoch 3 were kept."
    )
    assert svg_of(picture).tag.endswith("svg")


def test_a_single_epoch_is_drawn():
    picture = draw_learning_curve("ann_deep", {"loss": [0.7], "val_loss": [0.6]}, "loss", 1)
    assert "epochs 1 to 1" in picture.alt
    svg_of(picture)


def test_a_metric_that_was_not_recorded_is_named():
    with pytest.raises(KeyError, match="accuracy"):
        draw_learning_curve("ann_deep", CURVES, "accuracy", 1)


@pytest.mark.parametrize("metric", ["loss", "recall"])
def test_the_same_figure_has_the_same_bytes(metric):
    first, second = (draw_learning_curve("ann_deep", CURVES, metric, 2) for _ in range(2))
    assert first == second
