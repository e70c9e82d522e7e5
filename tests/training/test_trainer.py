"""The stages of a training."""

import pytest
import torch
from monai.data import DataLoader

from bundle.data import BalancedBatchSampler
from bundle.networks import ContentDiscriminator, DomainDiscriminator
from bundle.training import ICAMTrainer


@pytest.fixture
def make_trainer(make_network, spatial_dims: int, image: torch.Tensor, labels: torch.Tensor):
    """Build a trainer with one iteration an epoch."""

    def make(stages: list, max_epochs: int) -> ICAMTrainer:
        network = make_network()
        items = [{"image": scan, "label": label} for scan, label in zip(image, labels.tolist(), strict=True)]
        sampler = BalancedBatchSampler(labels.tolist(), batch_size=2, num_batches=1)
        discriminators = [ContentDiscriminator(spatial_dims, 16, channels=[4]), DomainDiscriminator(spatial_dims, channels=[4])]
        return ICAMTrainer(
            "cpu", max_epochs, DataLoader(items, batch_sampler=sampler), network, *discriminators,
            torch.optim.Adam(network.parameters()), torch.optim.Adam([w for d in discriminators for w in d.parameters()]),
            {"reconstruction_l1": 1.0, "attribute_class": 1.0}, {"content_class": 1.0}, stages=stages,
        )  # fmt: skip

    return make


STAGES = [
    {"epochs": 1, "batch_size": 4, "weights": {"attribute_class": 1.0}, "discriminator_weights": {"domain_class": 1.0}},
    {"epochs": 0, "batch_size": 4, "weights": {"kl": 1.0}, "discriminator_weights": {}},
    {"epochs": 2, "batch_size": 2, "weights": {"attribute_class": 1.0, "kl": 1.0}, "discriminator_weights": {}},
]


def test_stages_follow_each_other_with_their_terms_and_batch_sizes(make_trainer) -> None:
    trainer, seen = make_trainer(STAGES, max_epochs=4), []
    trainer.add_event_handler(
        "ITERATION_COMPLETED",
        lambda engine: seen.append((len(engine.state.batch["label"]), sorted(engine.state.output[0]["losses"]))),
    )
    trainer.run()
    assert seen == [
        (4, ["attribute_class", "discriminator_domain_class", "loss"]),
        (2, ["attribute_class", "kl", "loss"]),
        (2, ["attribute_class", "kl", "loss"]),
        (2, ["attribute_class", "discriminator_content_class", "loss", "reconstruction_l1"]),
    ]


def test_a_stage_leaves_alone_what_its_terms_do_not_reach(make_trainer) -> None:
    trainer = make_trainer(STAGES[:1], max_epochs=1)
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    trainer.run()
    changed = {name.split(".")[0] for name, weight in trainer.network.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {"attribute_encoder"}
