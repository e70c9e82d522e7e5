"""Generators, G: the paper's, one that draws the class apart from the anatomy, and one that moves the tissue of the scan.

Each decodes contents (B, C, H/4, W/4[, D/4]) with n attributes a content (n * B, *latent_shape) into images
(n * B, C, H, W[, D]). Attribute number i goes with content number i modulo B.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn import functional

from bundle.networks.blocks import ResidualBlock, enlarge, fold, repeat, transposed, unfold, up_block
from bundle.networks.encoders import ATTRIBUTE_STRIDE, CONTENT_STRIDE
from bundle.networks.norms import INSTANCE

SHIFT_STRIDE = 2  # image size / size of the grid of the shift: the content's would move neighbouring structures alike
START = 0.1  # scale of the first weights of what moves a scan, so that learning starts from the scan itself


class Decoder(nn.Module):
    """A generator. `forward` decodes contents and attributes; a class-conditional one needs the classes of the attributes."""

    class_conditional = False

    def decode_with_shift(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return images as `forward` does, and the shift that moves the scan; None from a generator that moves nothing."""
        return self(content, attribute, labels), None


class Generator(Decoder):
    """Decode a content and an attribute latent into an image, both through the same layers.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 and 3.3 (https://arxiv.org/abs/2006.08287).

    Args:
        spatial_dims: 2 or 3.
        content_channels: channels of the content latent.
        out_channels: channels of the image.
        attribute_channels: channels that the attribute is widened to before it meets the content.
        num_blocks: residual blocks on the content's grid.
        norm: normalisation of the residual blocks, None for none.
        full_resolution: whether there are features on the image's own grid, as in the paper; otherwise the image is drawn from
            those on half its grid, which saves most of the work and memory of a volume.
    """

    def __init__(
        self,
        spatial_dims: int,
        content_channels: int,
        out_channels: int = 1,
        attribute_channels: int = 16,
        num_blocks: int = 3,
        norm: str | tuple | None = INSTANCE,
        full_resolution: bool = True,
    ) -> None:
        super().__init__()
        channels = content_channels + attribute_channels
        self.widen = _widen(spatial_dims, attribute_channels, norm)
        self.draw = _draw(spatial_dims, channels, channels, num_blocks, out_channels, norm, full_resolution)

    def forward(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images in [-1, 1], shape (n * B, out_channels, H, W[, D])."""
        content = repeat(content, attribute.shape[0] // content.shape[0])
        latent = torch.cat([content, self.widen(attribute)], dim=1)  # (n * B, channels, H/4, W/4[, D/4])
        return self.draw(latent).float().tanh()


class ResidualGenerator(Decoder):
    """Decode the content into an image, and content and attribute into what the class changes in it.

    What does not depend on the attribute is drawn once for all attributes of a scan and cancels exactly in the difference of two
    translations before the last non-linearity, so that maps are free of its errors. Ours, not the paper's.

    Args:
        spatial_dims: 2 or 3.
        content_channels: channels of the content latent.
        out_channels: channels of the image.
        attribute_channels: channels that the attribute is widened to before it meets the content.
        channels: channels of the branch that draws the change.
        num_blocks: residual blocks on the content's grid, of each branch.
        norm: normalisation of the residual blocks, None for none.
        full_resolution: whether there are features on the image's own grid, as in the paper; otherwise the image is drawn from
            those on half its grid, which saves most of the work and memory of a volume.
    """

    def __init__(
        self,
        spatial_dims: int,
        content_channels: int,
        out_channels: int = 1,
        attribute_channels: int = 16,
        channels: int = 24,
        num_blocks: int = 3,
        norm: str | tuple | None = INSTANCE,
        full_resolution: bool = True,
    ) -> None:
        super().__init__()
        self.widen = _widen(spatial_dims, attribute_channels, norm)
        shared = (num_blocks, out_channels, norm, full_resolution)
        self.draw_anatomy = _draw(spatial_dims, content_channels, content_channels, *shared)
        self.draw_change = _draw(spatial_dims, content_channels + attribute_channels, channels, *shared)

    def forward(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images in [-1, 1], shape (n * B, out_channels, H, W[, D])."""
        repeats = attribute.shape[0] // content.shape[0]
        latent = torch.cat([repeat(content, repeats), self.widen(attribute)], dim=1)  # (n * B, C, H/4, W/4[, D/4])
        return (repeat(self.draw_anatomy(content).float(), repeats) + self.draw_change(latent).float()).tanh()


class DeformingGenerator(Decoder):
    """Move the tissue of the scan itself, as its content and an attribute have it.

    Atrophy moves tissue: ventricles widen and the cortex recedes. A smooth shift of the scan draws that with sharp edges in the
    right place, and cannot draw the fine patterns by which a generator fools a discriminator without showing the class. The
    position of the tissue is drawn for the target attribute and for the scan's own, and the scan is moved by the difference: its
    own attribute leaves it exactly as it is. Changes of intensity in place, such as a lesion, it cannot draw.

    Needs a content that keeps the image and the scan's own attribute (`ContentEncoder(keep_image=True)`). Ours, not the paper's.

    Args:
        spatial_dims: 2 or 3.
        image_size: voxels along each spatial axis, multiples of 16.
        content_channels: channels of the content latent, those of the image and of the attribute among them.
        out_channels: channels of the image.
        attribute_channels: channels that the attribute is widened to before it meets the content.
        channels: channels of the layers that draw the shift.
        num_blocks: residual blocks on the content's grid.
        norm: normalisation of the residual blocks, None for none.
        max_shift: largest shift along an axis, voxels.

    Raises:
        ValueError: When `content_channels` leaves nothing beside the image and the attribute.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_size: Sequence[int],
        content_channels: int,
        out_channels: int = 1,
        attribute_channels: int = 16,
        channels: int = 24,
        num_blocks: int = 3,
        norm: str | tuple | None = INSTANCE,
        max_shift: float = 1.5,
    ) -> None:
        super().__init__()
        self.stride, self.shift_stride = CONTENT_STRIDE, SHIFT_STRIDE
        self.max_shift = max_shift
        self.image_channels = out_channels * CONTENT_STRIDE**spatial_dims
        self.feature_channels = content_channels - self.image_channels - 1
        if self.feature_channels < 1:
            raise ValueError(f"content_channels {content_channels} hold no image: build ContentEncoder with keep_image=True")
        self.widen = _widen(spatial_dims, attribute_channels, norm)
        self.blocks = _blocks(spatial_dims, self.feature_channels + attribute_channels, channels, num_blocks, norm)
        self.strengthen = nn.Linear(prod(size // ATTRIBUTE_STRIDE for size in image_size), channels)
        half, folded = channels // 2, out_channels * SHIFT_STRIDE**spatial_dims  # channels
        self.place = Convolution(spatial_dims, channels, half, adn_ordering="A", act="leakyrelu")
        last = Convolution(spatial_dims, half, spatial_dims, conv_only=True)
        for weight in last.parameters():
            weight.data.mul_(START)
        self.refine = nn.Sequential(Convolution(spatial_dims, half + folded, half, adn_ordering="A", act="leakyrelu"), last)

    def forward(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images in the range of the scan, shape (n * B, out_channels, H, W[, D])."""
        return self.move(content, self.draw_shift(content, attribute))

    def decode_with_shift(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return images as `forward` does, and the shift of `draw_shift`."""
        shift = self.draw_shift(content, attribute)
        return self.move(content, shift), shift

    def draw_shift(self, content: Tensor, attribute: Tensor) -> Tensor:
        """Return the shift along each axis, in voxels of the image, shape (n * B, spatial_dims, H/2, W/2[, D/2])."""
        repeats = attribute.shape[0] // content.shape[0]
        features, own, image = content.split([self.feature_channels, 1, self.image_channels], dim=1)
        own = functional.interpolate(own, attribute.shape[2:]).to(attribute)  # (B, 1, H/16, W/16[, D/16])
        latent = torch.cat([repeat(features, repeats + 1), self.widen(torch.cat([attribute, own]))], dim=1)
        modes = self.blocks(latent)  # ((n + 1) * B, channels, H/4, W/4[, D/4])
        strength = 1 + self.strengthen(torch.cat([attribute, own]).flatten(1))  # ((n + 1) * B, channels)
        coarse = self.place(modes * strength.reshape(list(strength.shape) + [1] * (modes.ndim - 2)))
        fine = enlarge(coarse, self.stride // self.shift_stride)  # ((n + 1) * B, channels / 2, H/2, W/2[, D/2])
        image = fold(unfold(image, self.stride), self.shift_stride).to(fine)  # (B, folded, H/2, W/2[, D/2])
        places = self.refine(torch.cat([fine, repeat(image, repeats + 1)], dim=1)).float()
        wanted, present = places.split([attribute.shape[0], content.shape[0]])
        return self.max_shift * ((wanted - repeat(present, repeats)) / self.max_shift).tanh()

    def move(self, content: Tensor, shift: Tensor) -> Tensor:
        """Bend the scans that contents keep by shifts of `draw_shift`, to images of shape (n * B, out_channels, H, W[, D])."""
        folded = content[:, self.feature_channels + 1 :]
        return bend(unfold(folded, self.stride), enlarge(shift, self.shift_stride))


def bend(image: Tensor, shift: Tensor) -> Tensor:
    """Read images at shifted positions: a result at x is its image at x + shift(x), the border repeated outwards.

    Linear interpolation at the fraction f of a voxel blurs, as a filter of variance f (1 - f) does, and the blur looks like a
    change. It is taken back to first order: the result is less by f (1 - f) / 2 times its second difference along each axis. All
    is in single precision: in bfloat16 positions are wrong by up to a quarter of a voxel. Ours.

    Args:
        image: shape (B, C, H, W[, D]).
        shift: in voxels along each axis, smooth, shape (n * B, spatial_dims, H, W[, D]).

    Returns:
        Images in the range of their own, shape (n * B, C, H, W[, D]).
    """
    image, shift = repeat(image.float(), shift.shape[0] // image.shape[0]), shift.float()
    sizes = image.shape[2:]
    axes = [torch.arange(size, dtype=shift.dtype, device=shift.device) for size in sizes]
    last = torch.cat([torch.full([1], size - 1, dtype=shift.dtype, device=shift.device) for size in sizes])
    last = last.reshape([-1] + [1] * len(sizes))
    places = torch.stack(torch.meshgrid(axes, indexing="ij")) + shift  # voxels
    places = torch.minimum(places.clamp(min=0), last)
    turned = image.permute([0, 1] + list(range(image.ndim - 1, 1, -1)))  # grid_sample takes the last axis first
    grid = (2 * places / last - 1).movedim(1, -1)
    linear = functional.grid_sample(turned, grid, padding_mode="border", align_corners=True)
    fraction = places - places.floor()
    blur = 0.5 * fraction * (1 - fraction)
    result = linear
    for axis in range(len(sizes)):
        result = result - blur[:, axis : axis + 1] * _find_curvature(linear, axis + 2)
    axes_of_one = list(range(1, image.ndim))
    return torch.minimum(torch.maximum(result, image.amin(axes_of_one, True)), image.amax(axes_of_one, True))


def _find_curvature(image: Tensor, axis: int) -> Tensor:
    """Return the second difference of an image along an axis, the border repeated outwards."""
    first, last = image.narrow(axis, 0, 1), image.narrow(axis, image.shape[axis] - 1, 1)
    return image.diff(n=2, dim=axis, prepend=first, append=last)


def _widen(spatial_dims: int, channels: int, norm: str | tuple | None) -> nn.Module:
    """Bring an attribute to the content's grid and to `channels` channels."""
    scale = float(ATTRIBUTE_STRIDE // CONTENT_STRIDE)
    return nn.Sequential(nn.Upsample(scale_factor=scale), ResidualBlock(spatial_dims, 1, channels, norm=norm))


def _draw(
    spatial_dims: int,
    in_channels: int,
    channels: int,
    num_blocks: int,
    out_channels: int,
    norm: str | tuple | None,
    full_resolution: bool,
) -> nn.Module:
    """Layers from the content's grid to the image."""
    half = channels // 2
    layers = [*_blocks(spatial_dims, in_channels, channels, num_blocks, norm), up_block(spatial_dims, channels, half)]
    if full_resolution:
        layers.append(up_block(spatial_dims, half, half // 2))
        layers.append(Convolution(spatial_dims, half // 2, out_channels, kernel_size=1, conv_only=True))
    else:
        layers.append(transposed(spatial_dims, half, out_channels, conv_only=True))
    return nn.Sequential(*layers)


def _blocks(spatial_dims: int, in_channels: int, channels: int, num_blocks: int, norm: str | tuple | None) -> nn.Sequential:
    """Residual blocks on the content's grid."""
    sizes = [in_channels] + [channels] * num_blocks
    return nn.Sequential(*(ResidualBlock(spatial_dims, before, after, norm=norm) for before, after in pairwise(sizes)))
