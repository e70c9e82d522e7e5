"""Train one network at several sites that keep their scans: plays the server and the sites of MONAI FL on this machine.

python scripts/federate.py --sites SITE_A SITE_B --output_dir output/federated
Sites are cohorts, as in docs/data.md. Written are model.pt, the average after the last round, and sites.csv, its figures on the
test scans of each site. What a site has learnt of its own is in a subfolder.
"""

import argparse
import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject
from torch import Tensor

from bundle.checkpoints import SETTINGS, save_network

ROOT = Path(__file__).resolve().parents[1]

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Play a federation as the command line has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", nargs="+", required=True, help="cohorts of the sites that train")
    parser.add_argument("--test_sites", nargs="+", default=[], help="further cohorts whose test scans are looked at")
    parser.add_argument("--configs", nargs="+", default=["configs/train.yaml"], help="configs, without federated.yaml")
    parser.add_argument("--rounds", type=int, default=16, help="how often the networks are averaged")
    parser.add_argument("--local_epochs", type=int, default=2, help="epochs of a site in a round")
    parser.add_argument("--output_dir", type=Path, required=True)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    clients = {
        site: make_client(
            site, [*given.configs, "configs/federated.yaml"], given.output_dir / Path(site).stem, given.rounds, given.local_epochs
        )
        for site in dict.fromkeys([*given.sites, *given.test_sites])
    }
    weights = federate([clients[site] for site in given.sites], given.rounds, given.output_dir / "model.pt")
    figures = [{"site": site, **client.evaluate(ExchangeObject(weights=weights)).metrics} for site, client in clients.items()]
    table = pd.DataFrame(figures)
    table.to_csv(given.output_dir / "sites.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
