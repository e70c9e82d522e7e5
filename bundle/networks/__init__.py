"""The networks of ICAM: two encoders, a generator, and the discriminators that train them."""

from bundle.networks.class_means import find_class_means, move_class_means
from bundle.networks.discriminators import ContentDiscriminator, Discriminators, DomainDiscriminator
from bundle.networks.distributions import ClassDistributions, Mixture
from bundle.networks.drit import VectorAttributeEncoder, VectorGenerator
from bundle.networks.encoders import AttributeEncoder, ContentEncoder, LatentEncoder
from bundle.networks.generator import Decoder, DeformingGenerator, Generator, ResidualGenerator
from bundle.networks.icam import ICAM
from bundle.networks.typicality import PARTS, Typicality

__all__ = [
    "ICAM",
    "PARTS",
    "AttributeEncoder",
    "ClassDistributions",
    "ContentDiscriminator",
    "ContentEncoder",
    "Decoder",
    "DeformingGenerator",
    "Discriminators",
    "DomainDiscriminator",
    "Generator",
    "LatentEncoder",
    "Mixture",
    "ResidualGenerator",
    "Typicality",
    "VectorAttributeEncoder",
    "VectorGenerator",
    "find_class_means",
    "move_class_means",
]
