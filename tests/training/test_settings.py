import pandas as pd
import pytest

from bundle.training import check_key_metric, check_settings

SETTINGS = {
    "loss_weights": {"kl": 1.0},
    "discriminator_weights": {"domain_class": 1.0},
    "stages": [{"weights": {"kl": 1.0}, "discriminator_weights": {}, "batch_size": 4}],
    "batch_size": 6,
    "num_classes": 2,
    "max_epochs": 2,
    "epoch_length": 10,
    "warmup_iterations": 5,
}


@pytest.mark.parametrize("changes", [{}, {"num_classes": 3, "stages": []}, {"epoch_length": None, "warmup_iterations": 500}])
def test_settings_that_fit_are_accepted(changes: dict) -> None:
    check_settings(**SETTINGS | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss_weights": {"kll": 1.0}}, "GeneratorObjective has no term kll; its terms are content_adversarial, "),
        ({"discriminator_weights": {"kl": 1.0}}, "DiscriminatorObjective has no term kl"),
        ({"loss_weights": {"kl": -1.0}}, "weights must not be negative, got kl: -1.0"),
        ({"num_classes": 3}, "batch_size must be a multiple of the 3 classes, got 4"),
        ({"batch_size": 5}, "batch_size must be a multiple of the 2 classes, got 5"),
        ({"warmup_iterations": 20}, "below the 20 iterations of the training"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_settings(**SETTINGS | changes)


def test_ncc_decides_only_where_the_validation_split_has_truths() -> None:
    manifest = pd.DataFrame({"split": ["train", "validation"], "mask": ["m.nii", None]})
    check_key_metric("accuracy", manifest)
    check_key_metric("ncc", manifest.assign(disease_map="d.nii"))
    with pytest.raises(ValueError, match="no lesion masks and no disease maps for key_metric ncc: use accuracy"):
        check_key_metric("ncc", manifest)
