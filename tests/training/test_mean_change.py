"""The mean change of translations, compared with the difference of the mean scans."""

import numpy as np
import pytest
import torch
from torch import Tensor

from bundle.training import MeanChange
from bundle.training.objective import GeneratorObjective
from bundle.training.translation import Translation, pair_classes

SIZE = 8


@pytest.fixture
def size(spatial_dims: int) -> list[int]:
    return [SIZE] * spatial_dims


def draw(size: list[int], labels: Tensor, seed: int = 0) -> Tensor:
    """Scans that are brighter the higher their class, in one half of the grid."""
    noise = 0.2 * torch.randn(len(labels), 1, *size, generator=torch.Generator().manual_seed(seed))
    return noise + difference(size) * labels.view(-1, *[1] * (len(size) + 1))


def difference(size: list[int]) -> Tensor:
    """What two neighbouring classes differ by."""
    image = torch.zeros(1, *size)
    image[:, : SIZE // 2] = 0.3
    return image


def pool(image: np.ndarray) -> np.ndarray:
    """Means over blocks of two voxels along each axis."""
    for axis in range(2, image.ndim):
        image = image.reshape(*image.shape[:axis], -1, 2, *image.shape[axis + 1 :]).mean(axis + 1)
    return image


def test_without_memory_it_is_the_squared_difference_of_class_means(size: list[int]) -> None:
    labels, target = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([1, 2, 0, 2, 0, 1] * 2)
    image, translated = draw(size, labels), draw(size, target, seed=1)
    module = MeanChange(3, size, momentum=0.0, scan_momentum=0.0)
    module.observe(image, labels)
    loss = module(image, labels, translated, target)
    small, small_translated = pool(image.numpy()), pool(translated.numpy())
    means = np.stack([small[labels == k].mean(0) for k in range(3)])
    errors = small_translated - np.concatenate([small, small]) - means[target] + means[labels.repeat(2)]
    expected = np.mean([errors[target == k].mean(0) ** 2 for k in range(3)])
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_its_minimum_is_the_difference_of_the_classes(size: list[int]) -> None:
    labels, module = torch.tensor([0, 0, 1, 1]), MeanChange(2, size)
    change = torch.zeros(1, *size, requires_grad=True)
    optimizer = torch.optim.SGD([change], lr=0.2 * SIZE ** len(size))
    for seed in range(400):
        image, target = draw(size, labels, seed), 1 - labels
        sign = (target - labels).view(-1, *[1] * (len(size) + 1))
        own = 0.3 * torch.randn(len(labels), 1, *size, generator=torch.Generator().manual_seed(1000 + seed))
        module.observe(image, labels)
        loss = module(image, labels, image + sign * change + own, target)  # each has a change of its own as well
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found, wanted = pool(change.detach()[None].numpy()), pool(difference(size)[None].numpy())
    assert np.abs(found - wanted).mean() < 0.05
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.95


def test_the_change_of_one_scan_is_free(size: list[int]) -> None:
    module, labels = MeanChange(2, size), torch.tensor([0, 1])
    image = draw(size, labels)
    module.observe(image, labels)
    wanted = (image.flip(0) - image).detach()
    for step in range(200):
        own = wanted + (-1) ** step  # what a translation shows beyond the mean averages out
        loss = module(image, labels, image + own, 1 - labels)
    assert loss < 1e-3


def test_mean_scans_are_plain_means_at_first(size: list[int]) -> None:
    module, labels = MeanChange(2, size), torch.tensor([0, 0, 1, 1])
    batches = [draw(size, labels, seed) for seed in range(5)]
    for batch in batches:
        module.observe(batch, labels)
    wanted = pool(torch.stack(batches).mean(0).numpy()).reshape(2, 2, 1, *module.scans.shape[2:]).mean(1)
    np.testing.assert_allclose(module.scans.numpy(), wanted, atol=1e-6)


def test_means_are_kept_and_restored(size: list[int]) -> None:
    labels, target = torch.tensor([0, 1]), torch.tensor([1, 0])
    module, other = MeanChange(2, size), MeanChange(2, size)
    for seed in range(3):
        module.observe(draw(size, labels, seed), labels)
        module(draw(size, labels, seed), labels, draw(size, target, seed + 10), target)
    other.load_state_dict(module.state_dict())
    batch = draw(size, labels, 4), labels, draw(size, target, 14), target
    assert module(*batch) == other(*batch)


@pytest.mark.parametrize("factor", [0, 3])
def test_blocks_divide_the_image(size: list[int], factor: int) -> None:
    with pytest.raises(ValueError, match="factor must be 1 or more and divide"):
        MeanChange(2, size, factor)


def observe_persons(size: list[int], num_confounds: int) -> tuple[MeanChange, np.ndarray]:
    """A loss that has seen the scans of a cohort for several epochs, and the deviations of these scans from their class's mean.

    Persons differ most along three directions, along which class 1 lies further by chance.
    """
    random = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1]).repeat(20)
    places = torch.randn(len(labels), 3, generator=random) * torch.tensor([3.0, 2.0, 1.5]) + 0.5 * labels[:, None]
    directions = torch.randn(3, SIZE ** len(size), generator=random)
    image = draw(size, labels) + (places @ directions).view(len(labels), 1, *size)
    module = MeanChange(2, size, factor=1, num_confounds=num_confounds)
    for _ in range(8):
        for part in torch.arange(len(labels)).split(8):
            module.observe(image[part], labels[part])
        module.find_confounds()
    means = torch.stack([image[labels == k].mean(0) for k in (0, 1)])
    torch.testing.assert_close(module.scans, means, atol=1e-4, rtol=1e-4)
    return module, (image - means[labels]).flatten(1).numpy()


def test_confounds_are_the_principal_components_of_the_scans_of_a_class(size: list[int]) -> None:
    module, deviations = observe_persons(size, 3)
    wanted = np.linalg.svd(deviations, full_matrices=False)[2][:3]
    angles = np.linalg.svd(wanted @ module.confounds.numpy().T)[1]  # cosines
    assert angles.min() > 0.99


def test_what_classes_differ_by_along_confounds_is_not_asked_for(size: list[int]) -> None:
    labels, target = torch.tensor([0, 1]), torch.tensor([1, 0] * 2)
    image = draw(size, labels)
    change = difference(size).unsqueeze(0) * torch.tensor([1.0, -1.0] * 2).view(-1, *[1] * (len(size) + 1))
    translated = image.repeat(2, *[1] * (len(size) + 1)) + change  # what distinguishes the classes but for chance
    losses = []
    for num_confounds in (0, 3):
        module, _ = observe_persons(size, num_confounds)
        module.momentum = 0.0
        losses.append(float(module(image, labels, translated, target)))
    assert losses[1] < 0.05 * losses[0]


@pytest.mark.parametrize("num_confounds", [-1, 10**4])
def test_there_are_no_more_confounds_than_blocks(size: list[int], num_confounds: int) -> None:
    with pytest.raises(ValueError, match=r"num_confounds must be 0 to \d+, the blocks of an image, got"):
        MeanChange(2, size, num_confounds=num_confounds)


def test_the_term_moves_the_generator_and_is_refused_without_means(make_network, image, labels) -> None:
    partner = pair_classes(labels)
    means = MeanChange(int(labels.max()) + 1, image.shape[2:])
    network = make_network()
    GeneratorObjective({"mean_change": 1.0})(Translation(network, image, labels, partner, mean_change=means))["total"].backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in network.generator.parameters())
    with pytest.raises(ValueError, match="mean_change needs a MeanChange"):
        GeneratorObjective({"mean_change": 1.0})(Translation(network, image, labels, partner))
