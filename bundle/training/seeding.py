"""What is random about the data of an epoch, so that a resumed run repeats it."""

from ignite.engine import Engine, Events
from monai.transforms import Randomizable


class EpochSeed:
    """Seed batches and augmentation at the start of each epoch, by the seed and the epoch alone.

    Args:
        augmentation: random transform of the training set; None for none.
        seed: seed of the augmentation; the batches have their own.
    """

    def __init__(self, augmentation: Randomizable | None, seed: int) -> None:
        self.augmentation, self.seed = augmentation, seed

    def attach(self, engine: Engine) -> None:
        """Register with a trainer whose loader draws class-balanced batches."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that begins."""
        epoch = engine.state.epoch
        engine.data_loader.batch_sampler.set_epoch(epoch)
        if self.augmentation is not None:
            self.augmentation.set_random_state(seed=self.seed + epoch)
