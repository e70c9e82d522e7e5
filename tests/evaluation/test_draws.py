import pytest
import torch

from bundle.attribution import draw_attributes
from bundle.evaluation.draws import draw_for_class


def draw(kind, network, cohort, label=1, count=6, **arguments) -> torch.Tensor:
    return draw_for_class(kind, network.eval(), cohort.train, label, count, **arguments)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_bank_has_the_attribute_means_of_training_scans_of_the_class_each_once(spatial_dims, make_cohort, make_network):
    network, cohort = make_network(spatial_dims), make_cohort(spatial_dims, num_train=12)
    drawn = draw("bank", network, cohort)
    with torch.inference_mode():
        images = torch.stack([cohort.train[i]["image"] for i in range(1, 12, 2)])
        means = network.attribute_encoder(images)[0]
    distances = torch.cdist(drawn.flatten(1), means.flatten(1))
    assert distances.min(1).values.max() < 1e-3 and len(distances.argmin(1).unique()) == 6


def test_small_classes_are_drawn_again(make_cohort, make_network):
    drawn = draw("bank", make_network(2), make_cohort(2), count=5)  # of two scans
    assert len(drawn) == 5 and torch.allclose(drawn[:2].sum(0), drawn[2:4].sum(0), atol=1e-5)


def test_bank_depends_on_the_seed_and_no_batch_size(make_cohort, make_network):
    network, cohort = make_network(2), make_cohort(2, num_train=12)
    first = draw("bank", network, cohort, count=3, batch_size=1)
    torch.testing.assert_close(first, draw("bank", network, cohort, count=3, batch_size=8))
    assert any(not torch.equal(first, draw("bank", network, cohort, count=3, seed=seed)) for seed in (1, 2, 3))


def test_prior_is_what_sampled_maps_draw_by_themselves(make_cohort, make_network):
    network = make_network(2)
    assert torch.equal(draw("prior", network, make_cohort(2), seed=4), draw_attributes(network, [1], 6, 0.5, 4)[1])


def test_a_class_without_training_scans_raises(make_cohort, make_network):
    with pytest.raises(ValueError, match="the training split has no scan of class 2, whose attributes draws=bank takes"):
        draw("bank", make_network(2), make_cohort(2), label=2)
