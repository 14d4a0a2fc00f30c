"""What is to learn gets a gradient on the first step, or the run stops."""

from typing import Any


class GradientWatch:
    """Notes which learning parameters a gradient reaches in the first optimizer step after a start.

    Two signs are needed: `p.grad`, and a hook that autograd calls, because DeepSpeed takes `p.grad` away at once, and
    FSDP's autograd never meets the parameter that the optimizer holds.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.reached: set[int] = set()
        self.handles: list[Any] = []

    def start(self) -> None:
        for parameter in self.module.learns:
            key = id(parameter)
            self.handles.append(parameter.register_hook(lambda gradient, key=key: self.reached.add(key)))

    def check(self) -> None:
        """RuntimeError naming parameters without a gradient; once, and only after all micro-batches of a step."""
        if not self.handles or not self.module.step_is_whole:
            return
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        missing = [
            name
            for name, p in self.module.lvlm.named_parameters()
            if p.requires_grad and p.grad is None and id(p) not in self.reached
        ]
        if missing:
            more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
            raise RuntimeError(
                f"these parameters are to learn but got no gradient: {', '.join(missing[:8])}{more}. What the data of "
                f"the first step never reaches cannot learn: leave the part out of `train`"
            )
