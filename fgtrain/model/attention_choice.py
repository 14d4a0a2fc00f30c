"""The way in which a loaded model's attention is computed on its device, tried there before anything depends on it."""

from functools import cache

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from fgtrain.errors import UserError
from fgtrain.plan.attention_way import Attention, Way, choose_way, compiler_missing

from . import block_attention
from .attend import attention_by

NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
OLDEST_FLASH = (8, 0)  # compute capability
# Of bf16's and fp16's own rounding; a wrong mask or merge is off by more than a tenth.
TOLERANCE = {torch.bfloat16: 4e-2, torch.float16: 1e-2, torch.float32: 1e-3}


def head_size(config: PreTrainedConfig) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def kv_heads(config: PreTrainedConfig) -> int:
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def attention_dropout(config: PreTrainedConfig) -> float:
    return float(getattr(config, "attention_dropout", None) or 0.0)


def dense_because(decoder: PreTrainedModel) -> str:
    """Why a decoder's attention must stay transformers' own under a dense mask; "" where it need not."""
    name = type(decoder).__name__
    if not decoder._supports_attention_backend:
        return f"{name} takes no attention function"
    if getattr(decoder.config, "attn_logit_softcapping", None) is not None:
        return f"{name} caps its attention scores"
    if any(key.rpartition(".")[2] == "sinks" for key, _ in decoder.named_parameters()):
        return f"{name} has attention sinks"
    own = decoder.config._attn_implementation
    return "" if own == "sdpa" else f"{name} was loaded with {own} attention"


def way_of(decoder: PreTrainedModel, dense: str, device: torch.device, dtype: torch.dtype, wanted: str) -> Way:
    """The way of a decoder's attention. `dense`: why it runs under a dense mask, "" where it runs packed attention.

    On a GPU the way has been tried there; "auto" goes on to SDPA where what it prefers does not compute the rule.
    UserError where `wanted` (the recipe's devices.attention) cannot compute it.
    """
    config = decoder.config
    if dense:
        return _way((0, 0, 0), 0.0, dense, device, dtype, wanted)
    sizes = (config.num_attention_heads, kv_heads(config), head_size(config))
    return _way(sizes, attention_dropout(config), "", device, dtype, wanted)


def way_for(sizes: tuple[int, int, int], device: torch.device, dtype: torch.dtype) -> Way:
    """The same for heads of queries, heads of keys and the size of a head, whatever they are of."""
    return _way(sizes, 0.0, "", device, dtype, "auto")


@cache
def _way(
    sizes: tuple[int, int, int], dropout: float, dense: str, device: torch.device, dtype: torch.dtype, wanted: str
) -> Way:
    attention = Attention(
        device=device.type,
        dtype=NAMES.get(dtype, str(dtype)),
        head_size=sizes[2],
        dropout=dropout,
        dense=dense,
        no_flash=_no_flash(device) if device.type == "cuda" else "",
        no_compiler=compiler_missing(),
        no_blocks=block_attention.missing(),
    )
    way = choose_way(attention, wanted)
    if device.type != "cuda" or way.name in ("sdpa", "dense"):
        return way
    problem = fault(way.name, sizes, device, dtype)
    if not problem:
        return way
    if wanted != "auto":
        raise UserError(f"devices.attention is {wanted}, but on this GPU {problem}. Write attention: sdpa")
    return Way("sdpa", f"{choose_way(attention, 'sdpa').why}; not {way.name}: on this GPU {problem}")


def _no_flash(device: torch.device) -> str:
    if not torch.backends.cuda.is_flash_attention_available():
        return f"torch {torch.__version__} was built without flash attention"
    found = torch.cuda.get_device_capability(device)
    if found < OLDEST_FLASH:
        return f"{torch.cuda.get_device_name(device)} is too old for flash attention"
    return ""


def fault(way: str, sizes: tuple[int, int, int], device: torch.device, dtype: torch.dtype) -> str:
    """What is wrong with a way on a device, in values or gradients of two small samples; "" where nothing is."""
    heads, groups, size = sizes
    made = torch.Generator(device).manual_seed(0)

    def drawn(count: int) -> Tensor:
        return torch.randn(1, 211, count, size, generator=made, device=device).to(dtype).transpose(1, 2)

    results: list[list[Tensor]] = []
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        sample = torch.tensor([[*[1] * 150, *[2] * 61]], device=device)
        branch = torch.tensor([[*[0] * 70, *[1] * 50, *[2] * 30, *[0] * 61]], device=device)
        values, weights = [drawn(count) for count in (heads, groups, groups)], drawn(heads).transpose(1, 2)
        for name in ("dense", way):
            given = [value.detach().clone().requires_grad_() for value in values]
            try:
                out = attention_by(name, *given, sample, branch)
                results.append([out.detach(), *torch.autograd.grad((out * weights).sum(), given)])
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # whatever a kernel or compiler says, it cannot be used
                said = (str(error).strip() or "no message").splitlines()[0]
                return f"{name} attention fails ({type(error).__name__}: {said[:200]})"
    for right, found in zip(*results, strict=True):
        off = float((found.float() - right.float()).abs().max() / right.float().abs().max())
        if not off <= TOLERANCE[dtype]:
            return f"{way} attention is off by {off:.1%}"
    return ""
