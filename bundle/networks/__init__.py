"""The networks of ICAM: two encoders, a generator, and the discriminators that train them."""

from bundle.networks.discriminators import ContentDiscriminator, DomainDiscriminator
from bundle.networks.encoders import AttributeEncoder, ContentEncoder
from bundle.networks.generator import DeformingGenerator, Generator, ResidualGenerator
from bundle.networks.icam import ICAM

__all__ = [
    "ICAM",
    "AttributeEncoder",
    "ContentDiscriminator",
    "ContentEncoder",
    "DeformingGenerator",
    "DomainDiscriminator",
    "Generator",
    "ResidualGenerator",
]
