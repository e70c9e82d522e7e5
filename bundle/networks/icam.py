"""ICAM: two encoders and a generator as one network."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bundle.networks.drit import VectorGenerator
from bundle.networks.encoders import ContentEncoder, LatentEncoder
from bundle.networks.generator import DeformingGenerator, Generator, ResidualGenerator
from bundle.structures import Latents


class ICAM(nn.Module):
    """Classify a scan and show what makes it diseased by translating it to another class.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287).

    Args:
        content_encoder: E_c.
        attribute_encoder: E_a with its latent classifier, if it has one.
        generator: G.
        momentum: share of the old value that a class attribute keeps at each update.
    """

    def __init__(
        self,
        content_encoder: ContentEncoder,
        attribute_encoder: LatentEncoder,
        generator: Generator | ResidualGenerator | DeformingGenerator | VectorGenerator,
        momentum: float = 0.99,
    ) -> None:
        super().__init__()
        self.content_encoder = content_encoder
        self.attribute_encoder = attribute_encoder
        self.generator = generator
        self.momentum = momentum
        self.coded = isinstance(generator, VectorGenerator)  # whether it takes a code of the class beside the attribute
        self.class_attributes: Tensor  # running mean of the attributes of each class, (K, 1, H/16, W/16[, D/16])
        self.register_buffer(
            "class_attributes", torch.zeros(attribute_encoder.num_classes, *attribute_encoder.latent_shape)
        )

    def encode(self, image: Tensor) -> Latents:
        """Encode images of shape (B, C, H, W[, D]) into content and attribute."""
        mean, log_variance = self.attribute_encoder(image)
        return Latents(self.content_encoder(image, mean), mean, log_variance)

    def classify(self, attribute: Tensor) -> Tensor:
        """Return class logits, shape (B, K), of attributes of shape (B, 1, H/16, W/16[, D/16]).

        Raises:
            ValueError: When the attribute encoder has no classifier.
        """
        return self.attribute_encoder.classify(attribute)

    def decode(self, content: Tensor, attribute: Tensor) -> Tensor:
        """Return images (n * B, C, H, W[, D]) with given contents (B, ...), and for each n attributes of `tell` (n * B, ...)."""
        return self.generator(content, attribute)

    def tell(self, attribute: Tensor, labels: Tensor, other: bool = False) -> Tensor:
        """Append to attributes a code of the class that they are to show, where the generator takes one.

        Source: Lee et al., 2019, Sec. 3.4 (https://arxiv.org/abs/1905.01270).

        Args:
            attribute: shape (B, *latent_shape).
            labels: classes, shape (B,).
            other: whether every class but those of `labels` is coded, in equal shares.

        Returns:
            Attributes as `decode` takes them: with K more channels, or as they are.
        """
        if not self.coded:
            return attribute
        num_classes = self.attribute_encoder.num_classes
        code = functional.one_hot(labels.to(attribute.device), num_classes).to(attribute)
        if other:
            code = (1 - code) / (num_classes - 1)
        return torch.cat([attribute, code.reshape(list(code.shape) + [1] * (attribute.ndim - 2))], dim=1)

    def translate(self, image: Tensor, attribute: Tensor) -> Tensor:
        """Return `image` with another attribute, same shape."""
        return self.decode(self.encode(image).content, attribute)

    def forward(self, image: Tensor) -> Tensor:
        """Return the feature attribution map towards the most likely other class, shape of `image`.

        The map is what changes when the scan's own attribute gives way to the running mean of the other class. It is
        deterministic, takes nothing but the scan, and is what exported models and viewers show.

        Raises:
            ValueError: When the attribute encoder has no classifier.
        """
        content, attribute, _ = self.encode(image)
        target = self.classify(attribute).topk(2, dim=1).indices[:, 1]  # the runner-up class
        translated, own = self.decode(content, torch.cat([self.class_attributes[target], attribute])).split([image.shape[0]] * 2)
        return translated - own

    @torch.no_grad()
    def update_class_attributes(self, attribute: Tensor, labels: Tensor) -> None:
        """Move the running mean of each class towards that of a batch.

        Args:
            attribute: attribute means, shape (B, 1, H/16, W/16[, D/16]).
            labels: their classes, shape (B,).
        """
        for label in labels.unique().tolist():
            self.class_attributes[label].lerp_(attribute[labels == label].mean(0).float(), 1 - self.momentum)
