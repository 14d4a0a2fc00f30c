"""What a vision encoder makes of pixels, as a few vectors a picture: class tokens of the last blocks, mean patch."""

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from data_builders.shared.errors import UserError

from ..shared.pretrained import first_line

BLOCKS = 4  # the last blocks whose class tokens are kept: DINOv2's probe reads up to four
NORM_NAMES = ("post_layernorm", "layernorm", "layer_norm", "ln_post", "norm")
MOST_LEADING_TOKENS = 16  # class and register tokens that an encoder may put before its patches


class TokenBackbone(nn.Module):
    """Reads a transformer's blocks as they run. Features are [N, K, F], K as `vectors` says."""

    def __init__(
        self,
        run: Callable[[Tensor], object],
        blocks: Sequence[nn.Module],
        *,
        leading: int,
        class_token: bool,
        norm: nn.Module | None,
        kept: int = BLOCKS,
    ) -> None:
        """`run` takes normalised pixels; `leading`: tokens before the patches; `norm`: applied to every block's output
        (as DINOv2 does), None: outputs as they are (as FG-BMK's hooks)."""
        super().__init__()
        self.run, self.blocks, self.norm = run, list(blocks)[-kept:], norm
        self.leading, self.class_token = leading, class_token
        numbers = range(len(self.blocks), 0, -1)
        names = [f"cls_{n}" for n in numbers] + ["mean"] if class_token else [f"mean_{n}" for n in numbers]
        self.vectors = tuple(names)

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        outputs: list[Tensor] = []

        def keep(module: nn.Module, inputs: object, output: object) -> None:
            outputs.append(output[0] if isinstance(output, tuple) else output)

        handles = [block.register_forward_hook(keep) for block in self.blocks]
        try:
            self.run(pixels_NCHW)
        finally:
            for handle in handles:
                handle.remove()
        tokens = [one.reshape(len(pixels_NCHW), -1, one.shape[-1]) for one in outputs]
        if self.norm is not None:
            tokens = [self.norm(one) for one in tokens]
        if not self.class_token:
            return torch.stack([one[:, self.leading :].mean(1) for one in tokens], 1).float()
        means = [tokens[-1][:, self.leading :].mean(1)]
        return torch.stack([one[:, 0] for one in tokens] + means, 1).float()


class PooledBackbone(nn.Module):
    """One vector a picture: what a convolutional or hierarchical encoder pools, or a projector's mean token."""

    vectors = ("pooled",)

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        """`run`: normalised pixels -> [N, F], [N, tokens, F] (averaged) or a map [N, F, h, w] (averaged)."""
        super().__init__()
        self.run = run

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        output = self.run(pixels_NCHW)
        if output.dim() == 4:
            output = output.mean((2, 3))
        elif output.dim() == 3:
            output = output.mean(1)
        return output[:, None].float()


def backbone_of(
    run: Callable[[Tensor], object],
    module: nn.Module,
    *,
    image_size: int,
    patch_size: int | None,
    channels: int = 3,
    final_norm: bool = True,
    leading: int | None = None,
) -> TokenBackbone | PooledBackbone:
    """The backbone of an encoder, found by running one empty picture through it.

    `run` returns a transformers output (`last_hidden_state`, perhaps `pooler_output`) or a plain tensor; `leading`:
    tokens before the patches, None: what is left of the tokens when the patches are taken away.
    """
    parameter = next(module.parameters())
    empty = torch.zeros(1, channels, image_size, image_size, device=parameter.device, dtype=parameter.dtype)
    with torch.no_grad():
        try:
            output = run(empty)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"the encoder cannot take pictures of {image_size} px ({first_line(error)})") from None
    last = getattr(output, "last_hidden_state", output)
    if not isinstance(last, Tensor):
        raise UserError("the encoder gives no last hidden state, so its features cannot be read")
    if last.dim() == 4:
        return PooledBackbone(lambda pixels: _pooled(run(pixels)))
    blocks = find_blocks(module)
    patches = (image_size // patch_size) ** 2 if patch_size else None
    tokens = last.shape[-2]
    if leading is None:
        leading = tokens - patches if patches else 0
    if patches is None or tokens - leading != patches or not 0 <= leading <= MOST_LEADING_TOKENS or not blocks:
        # patches merged on the way (Swin): no tokens that stand for the same thing in every block
        return PooledBackbone(lambda pixels: _pooled(run(pixels)))
    norm = find_norm(module) if final_norm else None
    return TokenBackbone(run, blocks, leading=leading, class_token=leading > 0, norm=norm)


def find_blocks(module: nn.Module) -> list[nn.Module]:
    """The transformer's blocks: of all lists of equal modules the one that holds most parameters."""
    best: list[nn.Module] = []
    most = 0
    for candidate in module.modules():
        if not isinstance(candidate, nn.ModuleList | nn.Sequential) or not len(candidate):
            continue
        held = sum(parameter.numel() for parameter in candidate.parameters())
        if held > most and len({type(child) for child in candidate}) == 1:
            best, most = list(candidate), held
    return best


def find_norm(module: nn.Module) -> nn.Module | None:
    """The norm that follows the last block; None where there is none (or only a pooling head has one)."""
    blocks = find_blocks(module)
    path = next((name for name, part in module.named_modules() if blocks and part is blocks[0]), "")
    parts = path.split(".")
    for depth in range(len(parts) - 1, -1, -1):  # from the blocks outwards
        holder = module.get_submodule(".".join(parts[:depth]))
        for name in NORM_NAMES:
            found = getattr(holder, name, None)
            if isinstance(found, nn.Module) and not isinstance(found, nn.Identity):
                return found
    return None


def tensor_hash(tensors: dict[str, Tensor]) -> str:
    """16 hex digits over every tensor's name, type, shape and bytes: equal weights have equal hashes everywhere."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\x1f{tensor.dtype}\x1f{tuple(tensor.shape)}\x1e".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _pooled(output: object) -> Tensor:
    """A transformers output's pooled vector where it has one, else what there is to average."""
    if isinstance(output, Tensor):
        return output
    pooled = getattr(output, "pooler_output", None)
    return pooled.flatten(1) if isinstance(pooled, Tensor) else output.last_hidden_state
