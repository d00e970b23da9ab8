"""The network that finds plates: plain convolutions to stride 32, a small pyramid, one head at stride 8.

Only 3x3 and 1x1 convolutions, batch normalisation and ReLU, which every runtime fuses; max-pooling at stride 32 sees a
plate that fills the picture. Every cell of the head says how well a plate is centred on it and how large that plate is.
Parameters keep their names in the ONNX file (exporting.py), so that training goes on from it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE_PX = 8
# Share of cells expected to hold a plate at first: keeps the first steps from drowning in background.
_PRIOR = 0.01


class Conv(nn.Sequential):
    """Convolution, batch normalisation, ReLU; ``size`` 1 or 3, padded so that stride 1 keeps the size."""

    def __init__(self, come: int, go: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(come, go, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(go, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Half the channels through 1x1, all of them back through 3x3, added to what came."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = Conv(width, width // 2, 1)
        self.widen = Conv(width // 2, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` and what was found in it."""
        found: Tensor = self.widen(self.narrow(x))
        return x + found


class Context(nn.Module):
    """Three max-poolings in a row, all scales side by side: the whole picture's say at stride 32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = Conv(width, width // 2, 1)
        self.join = Conv(width * 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with what surrounds it."""
        seen = [self.narrow(x)]
        for _ in range(3):
            seen.append(functional.max_pool2d(seen[-1], 5, 1, 2))
        joined: Tensor = self.join(torch.cat(seen, 1))
        return joined


class PlateNetwork(nn.Module):
    """(B, 3, H, W) RGB in [0, 1], H and W multiples of 32, to (B, 5, H / 8, W / 8).

    The channels: logit of the score; the plate's centre from the cell's in widths and heights of the plate; logarithm
    of its width and height in cells. ``boxes_of`` makes pixels of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.s4 = nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), Residual(32))
        self.s8 = nn.Sequential(Conv(32, 64, 3, 2), Residual(64), Residual(64))
        self.s16 = nn.Sequential(Conv(64, 128, 3, 2), Residual(128), Residual(128))
        self.s32 = nn.Sequential(Conv(128, 128, 3, 2), Residual(128), Context(128))
        self.from32 = Conv(128, 64, 1)
        self.from16 = Conv(128, 64, 1)
        self.join16 = Conv(64, 64, 3)
        self.from8 = Conv(64, 64, 1)
        self.join8 = Conv(64, 64, 3)
        self.head = Conv(64, 64, 3)
        self.out = nn.Conv2d(64, 5, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(self.out.weight, std=0.01)
        start = torch.tensor([float(torch.logit(torch.tensor(_PRIOR))), 0.0, 0.0, 1.6, 0.6])
        assert self.out.bias is not None
        self.out.bias.data.copy_(start)

    def forward(self, x: Tensor) -> Tensor:
        """Return the head's five channels."""
        eighth = self.s8(self.s4(x))
        sixteenth = self.s16(eighth)
        deep = self.from32(self.s32(sixteenth))
        middle = self.join16(self.from16(sixteenth) + functional.interpolate(deep, scale_factor=2.0))
        fine = self.join8(self.from8(eighth) + functional.interpolate(middle, scale_factor=2.0))
        found: Tensor = self.out(self.head(fine))
        return found


def boxes_of(found: Tensor) -> Tensor:
    """Return (B, H / 8 * W / 8, 4) boxes x1, y1, x2, y2 in pixels of what the network says."""
    _, _, rows, columns = found.shape
    centres = cell_centres(rows, columns, found.device)
    flat = found.float().flatten(2).transpose(1, 2)
    size = STRIDE_PX * flat[..., 3:5].clamp(-3.0, 5.5).exp()
    centre = centres + flat[..., 1:3] * size
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def cell_centres(rows: int, columns: int, device: torch.device | None = None) -> Tensor:
    """Return (rows * columns, 2) the cells' centres x, y in pixels."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return (torch.stack([x.flatten(), y.flatten()], -1) + 0.5) * STRIDE_PX
