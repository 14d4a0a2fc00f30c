"""Faster kernels for a language model's layers: compiled by torch, or Liger's in the place of transformers' own.

A quarter of a step goes into norms, rotation and gates that read and write whole activations for little arithmetic.
Both ways fuse them. Numbers differ from the plain layers' by rounding.
"""

import os
import shutil
import sys
from types import MethodType
from typing import Any

import torch
from torch import nn

from fgtrain.errors import UserError

from .activation_checkpointing import layers_of


def use_layer_kernels(lvlm: Any, kernels: str, chosen: str) -> str:
    """Let the language model train with these `kernels` ("torch", "compile", "liger"); returns what it got, in words.

    `chosen`: as the recipe says it. Under "auto" a language model that Liger does not know keeps torch's, otherwise
    UserError, as where a C compiler or a GPU is missing.
    """
    if kernels == "torch":
        return "torch's own"
    if kernels == "compile":
        refuse_no_compiler(lvlm.device)
        if not layers_of(lvlm.decoder):
            raise UserError(f"devices.layer_kernels is compile, but {_name(lvlm)} has no layers for it. Write torch")
        lvlm.compile_layers()
        return "compiled by torch"
    if not torch.cuda.is_available():
        raise UserError("devices.layer_kernels is liger, whose kernels run on GPUs alone; here is none. Write torch")
    if not use_liger(lvlm.decoder):
        if chosen == "auto":
            return f"torch's own (Liger does not know {_name(lvlm)})"
        raise UserError(f"devices.layer_kernels is liger, which does not know {_name(lvlm)}. Write compile, or torch")
    return "Liger's"


def _name(lvlm: Any) -> str:
    return type(lvlm.decoder).__name__


# Decoders by their config's model_type, of which Liger's norms, gates and rotation compute the same.
LLAMA_LIKE = frozenset(
    ("llama", "mistral", "qwen2", "qwen3", "qwen2_vl_text", "qwen2_5_vl_text", "qwen3_vl_text")  # InternLM: as llama
)
GEMMA_LIKE = frozenset(("gemma3_text",))


def use_liger(decoder: nn.Module) -> bool:
    """Put Liger's norms, rotation and gates into the decoder; False where they are not known to compute the same.

    Kernel by kernel: what Liger itself does to a whole model follows one version of transformers, and misses or breaks
    others. The rotation is for all decoders of the kind in this process, as transformers keeps it in a function.
    """
    gemma = decoder.config.model_type in GEMMA_LIKE
    if not gemma and decoder.config.model_type not in LLAMA_LIKE:
        return False
    from liger_kernel.transformers.geglu import LigerGEGLUMLP
    from liger_kernel.transformers.rms_norm import LigerRMSNorm
    from liger_kernel.transformers.rope import liger_rotary_pos_emb
    from liger_kernel.transformers.swiglu import LigerSwiGLUMLP

    gates = LigerGEGLUMLP if gemma else LigerSwiGLUMLP
    for module in decoder.modules():
        if type(module).__name__.endswith("RMSNorm"):
            epsilon = module.eps if gemma else module.variance_epsilon
            # Gemma scales by 1 + weight, in fp32, and adds what a norm gives: the gradient may not be written over.
            module.variance_epsilon, module.in_place, module.row_mode = epsilon, False, None
            module.offset, module.casting_mode = (1.0, "gemma") if gemma else (0.0, "llama")
            module.forward = MethodType(LigerRMSNorm.forward, module)
        elif all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj")):
            module.forward = MethodType(gates.forward, module)
    sys.modules[type(decoder).__module__].apply_rotary_pos_emb = liger_rotary_pos_emb
    return True


def refuse_no_compiler(device: torch.device) -> None:
    """UserError where torch could not compile: on the first step it would say so in its own words."""
    names = ("CXX", "c++", "g++", "clang++") if device.type == "cpu" else ("CC", "cc", "gcc", "clang")
    if not any(shutil.which(os.environ.get(name, name)) for name in names):
        raise UserError(
            f"devices.layer_kernels is compile, which needs a C compiler on every machine that trains, and here is "
            f"none ({', '.join(names[1:])}). Install one, or write layer_kernels: torch"
        )


def switch_compiled(decoder: nn.Module, compiled: bool) -> None:
    """Let the parts of the decoder's layers (norms, attention, feed-forward) run compiled, or as they are written.

    Part by part, so that activation checkpointing and what a strategy hooks into a layer stay around them. All lengths
    are one program, and equal layers share it.
    """
    for layer in layers_of(decoder):
        for part in layer.children():
            # `forward`, not the whole call: each kind of part is then a program of its own to torch's cache.
            part._compiled_call_impl = torch.compile(part.forward, dynamic=True) if compiled else None
