"""The phases of a training, and what is random about its epochs."""

from types import SimpleNamespace

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, RandGaussianNoised

from bundle.data import BalancedBatchSampler, CachedScans
from bundle.networks import ContentDiscriminator, Discriminators, DomainDiscriminator
from bundle.training import EpochSeed, ICAMTrainer, Learner, Phase


@pytest.fixture
def make_trainer(make_network, spatial_dims: int, image: torch.Tensor, labels: torch.Tensor):
    """Build a trainer with one iteration an epoch."""

    def make(phases: list[Phase], max_epochs: int) -> ICAMTrainer:
        network = make_network()
        items = [{"image": scan, "label": label} for scan, label in zip(image, labels.tolist(), strict=True)]
        sampler = BalancedBatchSampler(labels.tolist(), batch_size=2, num_batches=1)
        domain = DomainDiscriminator(spatial_dims, channels=[4])
        discriminators = Discriminators(ContentDiscriminator(spatial_dims, 16, channels=[4]), domain)
        learners = [Learner(module, torch.optim.Adam(module.parameters())) for module in (network, discriminators)]
        return ICAMTrainer("cpu", max_epochs, DataLoader(items, batch_sampler=sampler), *learners, phases)

    return make


PHASES = [
    Phase(1, 4, {"attribute_class": 1.0}, {"domain_class": 1.0}),
    Phase(0, 4, {"kl": 1.0}, {}),
    Phase(2, 2, {"attribute_class": 1.0, "kl": 1.0}, {}),
    Phase(None, 2, {"reconstruction_l1": 1.0, "attribute_class": 1.0}, {"content_class": 1.0}),
]


def test_phases_follow_each_other_with_their_terms_and_batch_sizes(make_trainer) -> None:
    trainer, seen = make_trainer(PHASES, max_epochs=4), []
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


def test_a_phase_leaves_alone_what_its_terms_do_not_reach(make_trainer) -> None:
    trainer = make_trainer(PHASES[:1], max_epochs=1)
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    trainer.run()
    changed = {name.split(".")[0] for name, weight in trainer.network.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {"attribute_encoder"}


def test_what_an_epoch_draws_depends_on_the_seed_and_the_epoch_alone() -> None:
    items = [{"image": torch.zeros(1, 4)} for _ in range(16)]
    dataset = CachedScans(items, Compose([RandGaussianNoised("image", prob=1.0)]), progress=False)

    def draw(epoch: int, seed: int = 0, num_workers: int = 0) -> torch.Tensor:
        sampler = BalancedBatchSampler([0, 1] * 8, 4, seed=seed)
        engine = SimpleNamespace(state=SimpleNamespace(epoch=epoch), data_loader=SimpleNamespace(batch_sampler=sampler))
        EpochSeed()(engine)
        return torch.cat([batch["image"] for batch in DataLoader(dataset, batch_sampler=sampler, num_workers=num_workers)])

    first = draw(1)
    assert torch.equal(draw(1), first) and torch.equal(draw(1, num_workers=2), first)
    assert len(first.unique()) == first.numel()  # each scan has its own
    assert not torch.equal(draw(2), first) and not torch.equal(draw(1, seed=5), first)
