"""Walks through the latent space."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from tiny_scans import run

from bundle.inference import walk

Make = Callable[..., ConfigParser]


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_walk_begins_and_ends_where_it_should(make_parser: Make, spatial_dims: int) -> None:
    network = make_parser(spatial_dims).get_parsed_content("network")
    source, target = torch.rand(2, 1, *[32] * spatial_dims) * 2 - 1
    with torch.inference_mode():
        start, end = network.encode(source[None]), network.encode(target[None])
        between = network.decode(start.content, (start.mean + end.mean) / 2)
        first, last = network.decode(*start[:2]), network.decode(start.content, end.mean)
        other = network.decode(*end[:2])
    images = walk(network, source, target, num_steps=3).images
    torch.testing.assert_close(images, torch.cat([first, between, last]), atol=1e-5, rtol=1e-4)
    with_content = walk(network, source, target, num_steps=2, content=True).images
    torch.testing.assert_close(with_content[1:], other, atol=1e-5, rtol=1e-4)


def test_walk_to_a_class_ends_at_its_mean_attribute(make_parser: Make) -> None:
    network = make_parser().get_parsed_content("network")
    source = torch.rand(1, 32, 32)
    probabilities = walk(network, source, 1, num_steps=3).probabilities
    expected = network.classify(network.class_attributes[1:]).softmax(1)[0]
    torch.testing.assert_close(probabilities[-1], expected.detach())
    runner_up = 1 - int(probabilities[0].argmax())
    default = walk(network, source, None, num_steps=2)
    torch.testing.assert_close(default.images, walk(network, source, runner_up, num_steps=2).images)


@pytest.mark.parametrize("name", ["flat.nii.gz", "sub-01/slice.nii.gz", "sub-03/oblique.nii.gz"])
def test_run_id_saves_one_volume_a_step_on_the_grid_of_the_scan(
    scans: Path, make_parser: Make, tmp_path: Path, name: str
) -> None:
    parser = make_parser(
        source_scan=str(scans / name),
        target_scan=str(scans / "sub-02/volume.nii"),
        num_steps=3,
        interpolate_content=True,
    )
    run(parser, "interpolation")
    scan = nibabel.load(scans / name)
    stem = Path(name).name.removesuffix(".nii.gz")
    saved = nibabel.load(tmp_path / "output" / f"{stem}_interpolation.nii.gz")
    assert saved.shape == (*(*scan.shape, 1)[:3], 3)
    np.testing.assert_array_equal(saved.affine, scan.affine)
    assert (tmp_path / "output" / f"{stem}_interpolation.png").is_file()


def test_walk_refuses_what_it_cannot_do(scans: Path, make_parser: Make) -> None:
    network, source = make_parser().get_parsed_content("network"), torch.zeros(1, 32, 32)
    with pytest.raises(ValueError, match="num_steps must be at least 2, got 1"):
        walk(network, source, 0, num_steps=1)
    with pytest.raises(ValueError, match="give target_scan"):
        walk(network, source, 0, content=True)
    with pytest.raises(ValueError, match="target must be a class, 0 to 1, or null, got 5"):
        walk(network, source, 5)
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(), "interpolation")
    assert "source_scan is null" in str(caught.value.__cause__)
