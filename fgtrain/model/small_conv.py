"""A small convolutional vision encoder for little images, as a transformers model: the miniature's eyes.

64 px -> pixel-unshuffle 2 -> two strided 3x3 convolutions -> residual blocks -> pixel-unshuffle 2 -> a map of 4 x 4
positions with 384 features, to which a learnt map of positions is added. At this size it learns several times faster
than a ViT.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithNoAttention


class SmallConvConfig(PreTrainedConfig):
    """Sizes of the encoder. `image_size` is in pixels and a multiple of 16; the map is `image_size / 16` square."""

    model_type = "fgtrain_small_conv"

    image_size: int = 64
    num_channels: int = 3
    stem_width: int = 48
    width: int = 96
    num_blocks: int = 2
    initializer_range: float = 0.02  # of the position map

    @property
    def hidden_size(self) -> int:
        """Features of one position of the last map."""
        return 4 * self.width


class ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm_1 = nn.BatchNorm2d(width)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(width)

    def forward(self, maps_NFhw: Tensor) -> Tensor:
        inner = F.gelu(self.norm_1(self.conv_1(maps_NFhw)))
        return F.gelu(maps_NFhw + self.norm_2(self.conv_2(inner)))


class SmallConvModel(PreTrainedModel):
    """pixel_values [N, 3, image_size, image_size] -> last_hidden_state [N, 4 * width, h, w]."""

    config_class = SmallConvConfig
    base_model_prefix = "small_conv"
    main_input_name = "pixel_values"

    def __init__(self, config: SmallConvConfig) -> None:
        super().__init__(config)
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * config.num_channels, config.stem_width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(config.stem_width),
            nn.GELU(),
            nn.Conv2d(config.stem_width, config.width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(config.width),
            nn.GELU(),
        )
        self.blocks = nn.ModuleList([ResidualBlock(config.width) for _ in range(config.num_blocks)])
        self.unshuffle = nn.PixelUnshuffle(2)
        side = config.image_size // 16
        self.positions = nn.Parameter(torch.zeros(config.hidden_size, side, side))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d):
            # The library's default of 0.02 is made for transformers; convolutions start on their own scale.
            init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, SmallConvModel):
            init.normal_(module.positions, std=self.config.initializer_range)

    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None, **ignored: object
    ) -> BaseModelOutputWithNoAttention:
        """`hidden_states`, when asked for: the maps after the stem, after each block, and the last one."""
        size = self.config.image_size
        if pixel_values.shape[-2:] != (size, size):
            height, width = pixel_values.shape[-2:]
            raise ValueError(f"input image size ({height}*{width}) does not match the model's ({size}*{size})")
        maps = self.stem(pixel_values)
        states = [maps]
        for block in self.blocks:
            maps = block(maps)
            states.append(maps)
        last = self.unshuffle(maps) + self.positions
        return BaseModelOutputWithNoAttention(
            last_hidden_state=last, hidden_states=(*states, last) if output_hidden_states else None
        )


AutoConfig.register(SmallConvConfig.model_type, SmallConvConfig, exist_ok=True)
AutoModel.register(SmallConvConfig, SmallConvModel, exist_ok=True)
