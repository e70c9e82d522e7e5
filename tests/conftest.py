"""Small networks and batches that the tests share."""

import copy
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from tiny_scans import fill_erasure
from tiny_trained_network import build_trained_network, save_scans

from bundle.networks import ICAM, AttributeEncoder, ContentEncoder, DeformingGenerator, Generator, ResidualGenerator
from bundle.trained_network import TrainedNetwork

SIZES = {2: (32, 48), 3: (32, 16, 32)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of most slow tests, so that none of them is left to one of two processes in the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Escape names of files that are not UTF-8 in what a test printed: processes cannot send them to each other."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session", autouse=True)
def configs_read_once() -> Iterator[None]:
    """Read a config file again only when it has changed: tests read the same ones hundreds of times."""
    original = ConfigParser.load_config_file
    read = functools.cache(lambda path, changed: original(path))

    def load(filepath: str | Path, **_: Any) -> dict[str, Any]:
        if not Path(filepath).is_file():
            return original(filepath)  # its error
        state = Path(filepath).stat()
        return copy.deepcopy(read(Path(filepath).resolve(), (state.st_mtime_ns, state.st_size)))

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(ConfigParser, "load_config_file", staticmethod(load))
        yield


@pytest.fixture(autouse=True)
def seed() -> None:
    """Make every test repeatable."""
    torch.manual_seed(0)


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def spatial_dims(request: pytest.FixtureRequest) -> int:
    """Number of spatial axes."""
    return request.param


@pytest.fixture
def image_size(spatial_dims: int) -> tuple[int, ...]:
    """A small image size, not the same along all axes."""
    return SIZES[spatial_dims]


@pytest.fixture
def image(image_size: tuple[int, ...]) -> torch.Tensor:
    """Four scans, intensities in [-1, 1]."""
    return torch.rand(4, 1, *image_size) * 2 - 1


@pytest.fixture
def labels() -> torch.Tensor:
    """Their classes."""
    return torch.tensor([0, 0, 1, 1])


@pytest.fixture
def make_network(spatial_dims: int, image_size: tuple[int, ...]):
    """Build an untrained network."""

    def make(
        num_classes: int = 2,
        generator: type = ResidualGenerator,
        regression: bool = False,
        full_resolution: bool = True,
        classification: bool = True,
        **parts: Any,
    ) -> ICAM:
        deforming = generator is DeformingGenerator
        content_encoder = ContentEncoder(
            spatial_dims, channels=4, num_blocks=1, noise=0.3, full_resolution=full_resolution, keep_image=deforming
        )
        attribute_encoder = AttributeEncoder(
            spatial_dims, image_size, num_classes, channels=4, classification=classification, regression=regression
        )
        options = {"image_size": image_size} if deforming else {"full_resolution": full_resolution}
        decoder = generator(
            spatial_dims, content_channels=content_encoder.out_channels, attribute_channels=4, num_blocks=1, **options
        )
        network = ICAM(content_encoder, attribute_encoder, decoder, **parts)
        network.class_attributes.normal_()
        fill_erasure(network)
        return network

    return make


VARIANTS = [(Generator, True), (ResidualGenerator, True), (ResidualGenerator, False), (DeformingGenerator, False)]


@pytest.fixture(params=VARIANTS, ids=[f"{kind.__name__}{'' if full else '-half'}" for kind, full in VARIANTS])
def network(request: pytest.FixtureRequest, make_network) -> ICAM:
    """An untrained network of two classes, with each generator, whose content is made uncorrelated with the attribute."""
    generator, full_resolution = request.param
    return make_network(generator=generator, full_resolution=full_resolution, erased_components=2)


@pytest.fixture
def trained_network(tmp_path: Path, spatial_dims: int) -> TrainedNetwork:
    """A network of the Python interface, with random weights."""
    return build_trained_network(tmp_path, spatial_dims)


@pytest.fixture
def scans(tmp_path: Path, spatial_dims: int) -> Path:
    """A folder with two scans for it, on grids of their own."""
    return save_scans(tmp_path, spatial_dims)
