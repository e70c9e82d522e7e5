"""Train one network at several sites that keep their scans: plays the server and the sites of MONAI FL on this machine.

python scripts/federate.py --sites SITE_A SITE_B --output_dir output/federated
Sites are cohorts, as in docs/data.md; keys of the configs, such as --epoch_length 4, are those of all sites. Written are
model.pt, the average after the last round, and sites.csv, its figures on the test scans of each site. What a site has learnt of
its own is in a subfolder.
"""

import argparse
import copy
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from fire.parser import DefaultParseValue
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject
from torch import Tensor

from bundle.checkpoints import SETTINGS, save_network
from bundle.errors import show_error
from bundle.files import find_table, locate, make_unique
from bundle.guards import check_overrides, read_configs
from bundle.renaming import list_options

ROOT = Path(__file__).resolve().parents[1]
OF_SITES = ("dataset_dir", "output_dir", "max_epochs")  # keys that the options of this script set

logger = logging.getLogger("federate")


def average_weights(weights: Sequence[Mapping[str, Tensor]], counts: Sequence[int]) -> dict[str, Tensor]:
    """Average the weights and buffers of networks.

    Source: McMahan et al., AISTATS 2017, Algorithm 1 (https://arxiv.org/abs/1602.05629).

    Args:
        weights: state of each site's network.
        counts: training scans of each.

    Returns:
        The mean over all scans, in the types of the first site.
    """
    shares = [count / sum(counts) for count in counts]
    means = {name: sum(share * state[name].double() for share, state in zip(shares, weights, strict=True)) for name in weights[0]}
    return {name: torch.as_tensor(mean).to(weights[0][name].dtype) for name, mean in means.items()}


def make_client(
    dataset_dir: str, config_files: Sequence[str], folder: Path, rounds: int, local_epochs: int, **keys: object
) -> MonaiAlgo:
    """Return the client of a site, which is evaluated on its test scans.

    Args:
        dataset_dir: cohort of the site.
        config_files: configs of the training.
        folder: folder for its files.
        rounds: rounds of all sites.
        local_epochs: epochs of a round.
        **keys: further keys of the configs.
    """
    keys = {"dataset_dir": dataset_dir, "output_dir": str(folder), "max_epochs": rounds * local_epochs, **keys}
    client = MonaiAlgo(
        str(ROOT), local_epochs, send_weight_diff=False,
        config_train_filename=list(config_files), train_kwargs=keys,
        config_evaluate_filename=list(config_files), eval_kwargs=keys | {"validate#dataset#data#split": "test"},
    )  # fmt: skip
    client.initialize({ExtraItems.CLIENT_NAME: folder.name})
    return client


def collect(clients: Sequence[MonaiAlgo]) -> dict[str, Tensor]:
    """Return the average of the sites' networks, each counted by its training scans."""
    counts = [len(client.train_workflow.train_dataset_data) for client in clients]
    return average_weights([client.get_weights().weights for client in clients], counts)


def run_round(clients: Sequence[MonaiAlgo], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Train at each site, from the same weights, and return the average of what they become."""
    for client in clients:
        client.train(ExchangeObject(weights=weights))
    return collect(clients)


def federate(clients: Sequence[MonaiAlgo], rounds: int, path: Path) -> dict[str, Tensor]:
    """Train at all sites, one after the other, and average after each round.

    Args:
        clients: the sites.
        rounds: how often their networks are averaged.
        path: file for the last average.

    Returns:
        The last average.

    Raises:
        ValueError: When the classes of the sites have other names or another order, or the sites see scans in other ways.
    """
    parsers = [client.train_workflow.parser for client in clients]
    names = [parser.get_parsed_content("identity").class_names for parser in parsers]
    if any(each != names[0] for each in names):
        raise ValueError(f"the sites have classes of other names or in another order: {names}")
    settings = [dict(parser.get_parsed_content(SETTINGS)) for parser in parsers]
    if any(each != settings[0] for each in settings):
        raise ValueError(f"the sites have other {SETTINGS}: {settings}; accepted are equal ones")
    weights = collect(clients)
    for number in range(rounds):
        weights = run_round(clients, weights)
        logger.info("Round %d of %d is averaged over %d sites", number + 1, rounds, len(clients))
    network = copy.deepcopy(clients[0].trainer.network)
    network.load_state_dict(weights)
    save_network(path, network, {"class_names": names[0], SETTINGS: settings[0]})
    return weights


def name_sites(sites: Sequence[str]) -> list[str]:
    """Return a name for the folder of each site: that of its cohort's folder; of equal ones the second has -2, and so on."""
    return make_unique(((path.parent if (path := locate(site)).is_file() else path).name for site in sites), "-")


def read_keys(words: Sequence[str], config_files: Sequence[str]) -> dict[str, object]:
    """Read keys of the configs as the bundle does.

    Args:
        words: `--KEY value` or `--KEY=value`, any number.
        config_files: configs of the training.

    Raises:
        ValueError: When the configs have no such key, the value is of another kind, or this script sets it.
    """
    check_overrides(["run", "training", "--config_file", str(list(config_files)), *words])
    keys = {key: DefaultParseValue(str(value)) for _, key, value in list_options(words)}
    if taken := [key for key in OF_SITES if key in keys]:
        raise ValueError(f"--{taken[0]} is set by --sites, --output_dir, --rounds and --local_epochs: leave it out")
    return keys


def count(text: str) -> int:
    """Return a number of an option, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Play a federation as the command line has it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--sites", nargs="+", required=True, help="cohorts of the sites that train")
    parser.add_argument("--test_sites", nargs="+", default=[], help="further cohorts whose test scans are looked at")
    parser.add_argument("--configs", nargs="+", default=["configs/train.yaml"], help="configs, without federated.yaml")
    parser.add_argument("--rounds", type=count, default=16, help="how often the networks are averaged")
    parser.add_argument("--local_epochs", type=count, default=2, help="epochs of a site in a round")
    parser.add_argument("--output_dir", type=Path, required=True)
    given, words = parser.parse_known_args(arguments)
    files, sites = [*given.configs, "configs/federated.yaml"], list(dict.fromkeys([*given.sites, *given.test_sites]))
    try:
        keys = read_keys(words, files)
        simulated = read_configs(files).get("simulated_cohort")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    for site in sites:
        if not (find_table(site).is_file() if simulated else Path(site).exists()):  # other cohorts have tables of other names
            parser.error(f"no cohort at {site}: give folders with a participants.tsv, or their tables")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    clients = {
        site: make_client(site, files, given.output_dir / name, given.rounds, given.local_epochs, **keys)
        for site, name in zip(sites, name_sites(sites), strict=True)
    }
    weights = federate([clients[site] for site in dict.fromkeys(given.sites)], given.rounds, given.output_dir / "model.pt")
    figures = [{"site": site, **client.evaluate(ExchangeObject(weights=weights)).metrics} for site, client in clients.items()]
    table = pd.DataFrame(figures)
    if not clients[sites[0]].train_workflow.parser.get_parsed_content("regression"):
        table = table.drop(columns="value_error", errors="ignore")  # of nothing
    table.to_csv(given.output_dir / "sites.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    sys.excepthook = show_error
    main()
