"""The network: a picture of a plate to 32 columns of characters, and to the region that issued the plate.

A convolution trunk halves the picture's width twice and its height four times, so that each of the 32 columns sees
about a third of a character; two transformer layers let the columns see each other, which is what two-line plates,
stacked letters and serial formats need; CTC (Graves et al., 2006) says what the columns spell. The region head has
convolutions of its own on the trunk's early features, because a state's name is five pixels tall there and gone deeper
down, and takes the columns' mean beside them, because a serial's form tells regions apart, too.

Parameters keep the names that they have here in the shipped ONNX (see ``exporting``), so that training goes on from it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.plate_ocr.pictures import CHARACTERS, HEIGHT_PX, WIDTH_PX

COLUMNS = 32

_TOKEN = 160
_HEADS = 4
_HIDDEN = 384
_LAYERS = 2
_LOOKS = 64


def _convolution(channels_in: int, channels_out: int, stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class _Layer(nn.Module):
    """A transformer layer, normalised before each part (Xiong et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(_TOKEN)
        self.projections = nn.Linear(_TOKEN, 3 * _TOKEN)
        self.mixed = nn.Linear(_TOKEN, _TOKEN)
        self.norm_hidden = nn.LayerNorm(_TOKEN)
        self.hidden = nn.Linear(_TOKEN, _HIDDEN)
        self.shrunk = nn.Linear(_HIDDEN, _TOKEN)

    def forward(self, x: Tensor) -> Tensor:
        # Spelled out where PyTorch has one call: that call becomes operators which ONNX Runtime runs more slowly.
        shape = (-1, COLUMNS, 3, _HEADS, _TOKEN // _HEADS)
        query, key, value = self.projections(self.norm_attention(x)).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(query @ key.transpose(-2, -1) * (_TOKEN // _HEADS) ** -0.5, -1)
        x = x + self.mixed((weights @ value).transpose(1, 2).reshape(-1, COLUMNS, _TOKEN))
        deeper: Tensor = self.shrunk(torch.relu(self.hidden(self.norm_hidden(x))))
        return x + deeper


class PlateNetwork(nn.Module):
    """Pictures to logits of the columns' characters and of the regions.

    Args:
        regions: how many regions there are.
    """

    def __init__(self, regions: int) -> None:
        super().__init__()
        # Without normalisation: on so large a picture it costs more than the convolution, and the input is normal.
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(inplace=True), _convolution(24, 48, (2, 2)))
        self.trunk = nn.Sequential(
            _convolution(48, 48),
            _convolution(48, 96, (2, 1)),
            _convolution(96, 128, (2, 1)),
        )
        self.columns = nn.Linear(128 * HEIGHT_PX // 16, _TOKEN)
        self.position = nn.Parameter(0.02 * torch.randn(COLUMNS, _TOKEN))
        self.layers = nn.Sequential(*(_Layer() for _ in range(_LAYERS)))
        self.norm = nn.LayerNorm(_TOKEN)
        self.characters = nn.Linear(_TOKEN, len(CHARACTERS) + 1)
        self.looks = nn.Sequential(
            _convolution(48, 48, (2, 2)),
            _convolution(48, 64, (2, 2)),
            nn.Conv2d(64, 24, 1),
            nn.ReLU(inplace=True),
        )
        self.seen = nn.Linear(24 * (HEIGHT_PX // 16) * (WIDTH_PX // 16), _LOOKS)
        self.region = nn.Linear(_LOOKS + _TOKEN, regions)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Judge ``pictures``.

        Args:
            pictures: (batch, 64, 128, 3) uint8 RGB.

        Returns:
            Logits (batch, 32, 37), blank last, and logits (batch, regions).
        """
        x = pictures.permute(0, 3, 1, 2).float()
        # Light and contrast are the picture's own business: each is brought to the same mean and spread.
        x = x - x.mean((1, 2, 3), keepdim=True)
        x = x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + 8.0)
        early = self.stem(x)
        # A column carries all of its rows. Channels come last in memory, so nothing is copied but the columns' order.
        x = self.columns(self.trunk(early).permute(0, 3, 2, 1).flatten(2)) + self.position
        x = self.norm(self.layers(x))
        looks = torch.relu(self.seen(self.looks(early).permute(0, 2, 3, 1).flatten(1)))
        return self.characters(x), self.region(torch.cat([looks, x.mean(1)], 1))
