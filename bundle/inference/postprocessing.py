"""What becomes of the inferer's answer for one scan."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils.enums import CommonKeys as Keys

IMAGES = ("fa_mean", "fa_variance", "fa_low", "fa_high", "translated", "fa_exemplar", "fa_value", "translated_value")
AGES = ("predicted_age", "translated_age")  # years


class SplitExplanationd(Transform):
    """Give each part of the inferer's answer for a scan a key of its own.

    `pred` becomes the mean FA map alone, of one channel, as viewers expect; `fa_variance`, `translated` and, where there
    are any, `fa_low`, `fa_high`, `fa_exemplar`, `fa_value` and `translated_value` stand beside it; `result` holds classes,
    probabilities and ages as plain numbers; `explanation` keeps the answer on the network's grid. Images are MetaTensors, which
    `Invertd` needs.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Split the answer under `pred`.

        Args:
            data: Item with the answer of `ICAMInferer` for one scan under `pred`.

        Returns:
            The item with the keys above.
        """
        item = dict(data)
        explanation = item.pop(Keys.PRED)
        probabilities = [float(value) for value in explanation["probabilities"]]
        item["explanation"] = explanation
        item["result"] = {
            "predicted_class": max(range(len(probabilities)), key=probabilities.__getitem__),
            "probabilities": probabilities,
            "target_class": int(explanation["target"]),
            **{key: float(explanation[key]) for key in AGES if key in explanation},
        }
        images = {key: MetaTensor(explanation[key].detach().cpu()) for key in IMAGES if key in explanation}
        return item | {Keys.PRED if key == "fa_mean" else key: image for key, image in images.items()}
