"""Which of a part's weights a recipe's `only:` and `layers:` mean, found by the names that transformers gives modules.

A role is known by two names: that of a block somewhere above a weight, and that of the projection itself.
"""

from torch import nn

from fgtrain.errors import UserError
from fgtrain.recipe.model_schema import TrainPart

ATTENTION_BLOCKS = {"self_attn", "attn", "attention", "self_attention", "multi_head_attention"}
MLP_BLOCKS = {"mlp", "mlps", "ffn", "feed_forward", "experts", "shared_expert", "shared_experts", "intermediate"}
ROLES = {
    # Queries, keys, values and output; apart, fused, or through a bottleneck. Gates, norms and indexers are not meant.
    "attention": (
        ATTENTION_BLOCKS,
        {"q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "qkv_proj", "qkv", "proj", "query_key_value", "dense"}
        | {"query", "key", "value", "c_attn", "c_proj", "Wqkv", "Wo", "projection_layer"}
        | {"q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"},
    ),
    # What widens the hidden state: gate and up, apart or fused; without a gate, the MLP's first layer.
    "gate_up": (
        MLP_BLOCKS,
        {"gate_proj", "up_proj", "gate_up_proj", "w1", "w3", "dense_h_to_4h", "c_fc", "fc_in", "fc1"},
    ),
}


def narrowed(part: str, module: nn.Module, names: list[str], how: TrainPart, place: str) -> list[str]:
    """Those of a part's parameters, by their names inside it, that `only` and `layers` leave.

    `names`: the parameters that can learn. Raises UserError, beginning with `place` (as in
    "stages.sft.train.language_model"), when nothing is left: it lists what is there.
    """
    if how.layers is not None:
        inside = layer_prefixes(part, module, names, how.layers, place)
        names = [name for name in names if name.startswith(inside)]
    if how.only is not None:
        kept = [name for name in names if has_role(name, how.only)]
        if not kept:
            blocks, leaves = ROLES[how.only]
            raise UserError(
                f"{place}.only is {how.only}, but {part} has no weights known by that name. It has: "
                f"{', '.join(_kinds(names)[:16])}. Known are {', '.join(sorted(leaves))} inside "
                f"{', '.join(sorted(blocks))}. Leave only out, or adapt what you mean: lora: {{targets: [...]}}"
            )
        names = kept
    return names


def has_role(name: str, role: str) -> bool:
    """Does a parameter (by its dotted name) play the role?"""
    blocks, leaves = ROLES[role]
    *above, leaf = name.removesuffix(".weight").removesuffix(".bias").split(".")
    return leaf in leaves and not blocks.isdisjoint(above)


def layer_prefixes(part: str, module: nn.Module, names: list[str], chosen: str, place: str) -> tuple[str, ...]:
    """Name prefixes of the layers that `chosen` ("last 4", "first 2", "20-23", "7") means. UserError for none such.

    Layers are the elements of the part's largest list of equal modules. Those at its end without any of `names` do not
    count: an encoder's last layer may not be used (model.vision_layer).
    """
    stacks = {
        name: stack
        for name, stack in module.named_modules()
        if isinstance(stack, nn.ModuleList) and name and len({type(layer) for layer in stack}) == 1
    }
    if not stacks:
        raise UserError(
            f"{place}.layers is {chosen!r}, but {part} has no layers of one kind. It has: "
            f"{', '.join(name for name, _ in module.named_children())}. Leave layers out"
        )
    name, stack = max(stacks.items(), key=lambda item: sum(p.numel() for p in item[1].parameters()))
    used = [number for number in range(len(stack)) if any(n.startswith(f"{name}.{number}.") for n in names)]
    count = max(used, default=-1) + 1
    first, last = layer_range(chosen, count)
    if last >= count:
        unused = f" (of {len(stack)}: the others have no influence on the image tokens)" if count < len(stack) else ""
        raise UserError(
            f"{place}.layers is {chosen!r}, but {part} has {count} layers{unused}: {name}.0 to {name}.{count - 1}"
        )
    return tuple(f"{name}.{number}." for number in range(first, last + 1))


def layer_range(chosen: str, count: int) -> tuple[int, int]:
    """First and last layer (from 0, both included) of `count`; more than there are is left to the caller."""
    word, _, number = chosen.partition(" ")
    if word == "last":
        return (count - int(number), count - 1) if int(number) <= count else (0, int(number) - 1)
    if word == "first":
        return 0, int(number) - 1
    first, _, last = chosen.partition("-")
    return int(first), int(last or first)


def _kinds(names: list[str]) -> list[str]:
    """The last two words of each name without layer numbers, each once: self_attn.q_proj, mlp.fc1, ..."""
    found = []
    for name in names:
        words = name.removesuffix(".weight").removesuffix(".bias").split(".")
        found.append(".".join([word for word in words if not word.isdigit()][-2:]) or words[-1])
    return list(dict.fromkeys(found))
