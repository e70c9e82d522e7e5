from types import SimpleNamespace

from monai.transforms import RandGaussianNoise

from bundle.data import BalancedBatchSampler
from bundle.training import EpochSeed


def test_what_an_epoch_draws_depends_on_the_seed_and_the_epoch_alone():
    sampler, noise = BalancedBatchSampler([0, 1] * 8, 2), RandGaussianNoise(prob=1.0)

    def draw(epoch: int, seed: int = 0) -> tuple:
        engine = SimpleNamespace(state=SimpleNamespace(epoch=epoch), data_loader=SimpleNamespace(batch_sampler=sampler))
        EpochSeed(noise, seed)(engine)
        return list(sampler), noise.R.rand()

    first, second = draw(1), draw(2)
    assert draw(1) == first != second
    assert draw(1, seed=5)[1] != first[1]
