import pytest
from torch import nn

from bundle.baselines import GuidedBackprop, choose_methods


def test_only_chosen_methods_are_made():
    def fail() -> GuidedBackprop:
        raise AssertionError

    methods = choose_methods(["guided"], {"other": fail, "guided": lambda: GuidedBackprop(nn.ReLU())})
    assert list(methods) == ["guided"]


@pytest.mark.parametrize("names", [[], ["grad_cam", "gradcam"]])
def test_unknown_methods_are_refused(names):
    with pytest.raises(ValueError, match="methods must name some of grad_cam, got "):
        choose_methods(names, {"grad_cam": lambda: GuidedBackprop(nn.ReLU())})
