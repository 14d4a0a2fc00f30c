"""How perturbations are spelt: blur, noise, with a severity of their own (blur1), grey_background, and so on.

Recipes know no more of them: how a picture is changed decides nothing that is trained."""

import re

CONDITIONS = ("blur", "noise", "grey_background", "blank", "misleading_text")
SPELT = re.compile(r"(blur|noise)([0-5]?)|grey_background|blank|misleading_text")


def condition_problem(condition: str) -> str | None:
    """What is wrong with a perturbation's name; None for those that there are."""
    if SPELT.fullmatch(condition):
        return None
    return f"no perturbation; there are {', '.join(CONDITIONS)}, and blur0 to blur5, noise0 to noise5 (usual: 3)"
