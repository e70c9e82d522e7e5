"""ICAM: two encoders and a generator as one network."""

from math import prod

import torch
from torch import Tensor, nn

from bundle.networks.class_means import move_class_means
from bundle.networks.distributions import ClassDistributions
from bundle.networks.encoders import ContentEncoder, LatentEncoder
from bundle.networks.erasure import AttributeErasure
from bundle.networks.generator import Decoder
from bundle.networks.typicality import Typicality
from bundle.structures import Latents


class ICAM(nn.Module):
    """Classify a scan and show what makes it diseased by translating it to another class.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287).

    Args:
        content_encoder: E_c.
        attribute_encoder: E_a with its latent classifier, if it has one.
        generator: G.
        momentum: share of the old value that a class attribute keeps at each update.
        num_components: most Gaussians of the distribution of each class's attributes; 0 for none, so that attributes are drawn
            from N(0, I) alone, as in the paper, and no scan is compared with those of the training.
        erased_components: principal components of the attribute that the content is made uncorrelated with; 0 for none.

    Raises:
        ValueError: When a number of components is negative.
    """

    def __init__(
        self,
        content_encoder: ContentEncoder,
        attribute_encoder: LatentEncoder,
        generator: Decoder,
        momentum: float = 0.99,
        num_components: int = 0,
        erased_components: int = 0,
    ) -> None:
        super().__init__()
        for name, number in {"num_components": num_components, "erased_components": erased_components}.items():
            if number < 0:
                raise ValueError(f"{name} must be 0 or more, got {number}")
        self.content_encoder = content_encoder
        self.attribute_encoder = attribute_encoder
        self.generator = generator
        self.momentum = momentum
        self.class_attributes: Tensor  # running mean of the attributes of each class, (K, 1, H/16, W/16[, D/16])
        num_classes, latent_shape = attribute_encoder.num_classes, attribute_encoder.latent_shape
        self.register_buffer("class_attributes", torch.zeros(num_classes, *latent_shape))
        self.distributions = self.typicality = self.erasure = None
        if num_components:
            self.distributions = ClassDistributions(num_classes, prod(latent_shape), num_components)
            self.typicality = Typicality(2 * content_encoder.feature_channels)
        if erased_components:
            grid = [size // content_encoder.stride for size in attribute_encoder.image_size]
            self.erasure = AttributeErasure(prod(latent_shape), (content_encoder.feature_channels, *grid), erased_components)

    def encode(self, image: Tensor) -> Latents:
        """Encode images of shape (B, C, H, W[, D]) into content and attribute."""
        mean, log_variance = self.attribute_encoder(image)
        return Latents(self.erase(self.content_encoder(image, mean), mean), mean, log_variance)

    def erase(self, content: Tensor, attribute: Tensor) -> Tensor:
        """Return contents of the encoder without what their attribute means, (B, 1, H/16, W/16[, D/16]), predict, same shape."""
        return content if self.erasure is None else self.erasure(content, attribute)

    def classify(self, attribute: Tensor) -> Tensor:
        """Return class logits, shape (B, K), of attributes of shape (B, 1, H/16, W/16[, D/16]).

        Raises:
            ValueError: When the attribute encoder has no classifier.
        """
        return self.attribute_encoder.classify(attribute)

    def decode(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images with given contents, each with n attributes.

        Args:
            content: content latents, shape (B, C, H/4, W/4[, D/4]).
            attribute: attributes, shape (n * B, *latent_shape); number i goes with content number i modulo B.
            labels: their classes, shape (n * B,); only class-conditional generators need them.

        Returns:
            Shape (n * B, C, H, W[, D]).
        """
        return self.generator(content, attribute, labels)

    def translate(self, image: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return `image` with other attributes, of the classes `labels`, same shape."""
        return self.decode(self.encode(image).content, attribute, labels)

    def forward(self, image: Tensor) -> Tensor:
        """Return the feature attribution map towards the most likely other class, shape of `image`.

        The map is the change when the scan's own attribute gives way to the running mean of the other class. It is
        deterministic, needs nothing but the scan, and is what exported models and viewers show.

        Raises:
            ValueError: When the attribute encoder has no classifier.
        """
        content, attribute, _ = self.encode(image)
        predicted, target = self.classify(attribute).topk(2, dim=1).indices.unbind(1)
        attributes, labels = torch.cat([self.class_attributes[target], attribute]), torch.cat([target, predicted])
        translated, own = self.decode(content, attributes, labels).split([image.shape[0]] * 2)
        return translated - own

    def update_class_attributes(self, attribute: Tensor, labels: Tensor) -> None:
        """Move the running mean of each class of a batch towards the batch's, see `move_class_means`.

        Args:
            attribute: attribute means, shape (B, 1, H/16, W/16[, D/16]).
            labels: their classes, shape (B,).
        """
        move_class_means(self.class_attributes, attribute, labels, self.momentum)
