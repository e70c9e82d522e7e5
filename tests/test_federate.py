"""Sites that train one network as clients of MONAI FL."""

import copy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from federate import average_weights, collect, main, make_client, name_sites, read_keys, run_round
from ignite.engine import Events
from monai.fl.client import MonaiAlgo
from monai.fl.utils.exchange_object import ExchangeObject
from monai.utils import set_determinism
from torch import Tensor

from bundle.simulation.squares import simulate_squares_cohort

CONFIGS = ["configs/train.yaml", "configs/squares.yaml", "configs/federated.yaml"]
TINY = {
    "image_size": [32, 32], "device": "cpu", "epoch_length": 2, "warmup_epochs": 1, "warmup_iterations": 1, "batch_size": 4,
    "train#tensorboard#_disabled_": True, "train#progress#_disabled_": True, "validate#handlers": [],
}  # fmt: skip


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Return whether two states are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_average_counts_scans_and_keeps_types() -> None:
    one, other = ({"weight": torch.full((2, 3), value), "steps": torch.tensor(int(value))} for value in (1.0, 5.0))
    mean = average_weights([one, other], [30, 10])
    assert torch.equal(mean["weight"], torch.full((2, 3), 2.0)) and mean["weight"].dtype == torch.float32
    assert mean["steps"] == 2 and mean["steps"].dtype == torch.int64
    assert equal(average_weights([one], [7]), one)


def refuse(capsys: pytest.CaptureFixture, *words: object) -> str:
    """Return the sentence with which a command line is refused."""
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert caught.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_site_without_a_cohort_is_refused_and_nothing_is_simulated_there(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "empty").mkdir()
    for site in ("absent", "empty"):
        sentence = refuse(capsys, "--sites", tmp_path / site, "--output_dir", tmp_path / "output")
        assert f"no cohort at {tmp_path / site}: give folders with a participants.tsv" in sentence
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rounds", "0"], "--rounds: must be a whole number of at least 1, got 0"),
        (["--local_epochs", "1.5"], "--local_epochs: must be a whole number of at least 1, got 1.5"),
        (["--epoch_lenght", "4"], "has no key epoch_lenght; did you mean epoch_length?"),
        (["--max_epochs", "4"], "--max_epochs is set by --sites, --output_dir, --rounds and --local_epochs: leave it out"),
    ],
)
def test_options_that_fit_nothing_are_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture) -> None:
    assert sentence in refuse(capsys, "--sites", "here", *words, "--output_dir", "there")


def test_an_error_of_a_site_is_one_sentence(tmp_path: Path) -> None:
    simulate_squares_cohort(tmp_path / "site", [32, 32], num_train=8, num_validation=4, num_test=4)
    words = ["--sites", tmp_path / "site", "--configs", *CONFIGS[:2], "--output_dir", tmp_path / "output", "--batch_size", "7"]
    script = Path(__file__).parents[1] / "scripts" / "federate.py"
    done = subprocess.run([sys.executable, "-W", "ignore", script, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "Error: batch_size must be a multiple of the 2 classes, got 7"


def test_keys_are_read_as_the_bundle_reads_them() -> None:
    assert read_keys(["--epoch_length", "2", "--image_size=[32, 32]"], CONFIGS) == {"epoch_length": 2, "image_size": [32, 32]}


def test_sites_have_folders_of_their_own(tmp_path: Path) -> None:
    table = tmp_path / "third" / "cohort" / "participants.tsv"
    table.parent.mkdir(parents=True)
    table.touch()
    sites = [str(tmp_path / "first/site.v2"), str(tmp_path / "second/site.v2/"), str(table)]
    assert name_sites(sites) == ["site.v2", "site.v2-2", "cohort"]


class Site:
    """A client, and what its networks were whenever a round began.

    Args:
        folder: folder of the site.
        seed: of its cohort.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        cohort = simulate_squares_cohort(folder / "cohort", (32, 32), 4 + 4 * seed, 4, 4, seed=seed)
        self.client: MonaiAlgo = make_client(str(cohort / "participants.tsv"), CONFIGS, folder, rounds=2, local_epochs=2, **TINY)
        self.discriminators = self.client.trainer.discriminators.module
        self.begun: list[dict[str, Tensor]] = []
        self.client.trainer.add_event_handler(Events.STARTED, lambda: self.begun.append(self.state()))

    def state(self) -> dict[str, Tensor]:
        return copy.deepcopy(self.client.trainer.network.state_dict())

    def judges(self) -> dict[str, Tensor]:
        return copy.deepcopy(self.discriminators.state_dict())


@pytest.mark.slow
def test_sites_train_from_the_average_and_keep_what_has_seen_their_scans(tmp_path: Path) -> None:
    sites = [Site(tmp_path / name, seed) for name, seed in (("first", 0), ("second", 1))]
    clients = [site.client for site in sites]
    start = collect(clients)
    first = run_round(clients, start)
    ends, judges = [site.state() for site in sites], [site.judges() for site in sites]
    assert all(equal(site.begun[0], start) for site in sites) and not equal(*ends)
    assert equal(first, average_weights(ends, [4, 8]))  # by training scans
    attributes = [end["class_attributes"] for end in ends]  # a buffer: running means of the attributes of each class
    assert attributes[0].abs().max() > 0
    torch.testing.assert_close(first["class_attributes"], (attributes[0] + 2 * attributes[1]) / 3)
    assert not equal(*judges)
    rates = [client.trainer.optimizer.param_groups[0]["lr"] for client in clients]
    second = run_round(clients, first)
    assert all(equal(site.begun[1], first) for site in sites)
    assert all(client.trainer.state.epoch == 4 for client in clients)
    assert all(client.trainer.optimizer.param_groups[0]["lr"] < rate for client, rate in zip(clients, rates, strict=True))
    assert min(rates) > 0  # the learning rate falls over all rounds, not within one
    for client in clients:
        figures = client.evaluate(ExchangeObject(weights=second)).metrics
        assert {"ncc", "accuracy"} <= figures.keys() and equal(client.evaluator.network.state_dict(), second)
    set_determinism(None)


@pytest.mark.slow
def test_the_table_of_sites_has_no_figure_of_what_is_not_learnt(tmp_path: Path) -> None:
    simulate_squares_cohort(tmp_path / "cohort", (32, 32), 4, 4, 4)
    (tmp_path / "cohort" / "dataset_description.json").unlink()  # a cohort of one's own, of any settings
    words = [word for key, value in TINY.items() if "#" not in key for word in (f"--{key}", str(value))]
    options = ["--rounds", "2", "--local_epochs", "1", "--output_dir", str(tmp_path / "output")]
    main(["--sites", str(tmp_path / "cohort"), "--configs", *CONFIGS[:2], *options, *words])
    header = (tmp_path / "output" / "sites.csv").read_text().splitlines()[0].split(",")
    assert {"site", "accuracy", "ncc"} <= set(header) and "value_error" not in header
    set_determinism(None)
