"""Why a stage is trained anew although nothing was chosen otherwise: the program's own code has changed. Pure."""

from typing import Any

from data_builders.shared.code_identity import explain_change

from .schema import Plan


def why_anew(before: dict[str, Any], now: Plan) -> list[str]:
    """One line for each stage that differs from the run's earlier plan in its code alone, in their order.

    `before`: what stands in the run's plan.json; a plan of another shape than today's gives no line.
    """
    earlier = {stage.get("name"): stage for stage in _list(before.get("stages")) if isinstance(stage, dict)}
    code = _dict(before.get("code"))
    lines: list[str] = []
    changed = ""  # the stage before
    for stage in now.stages:
        was = earlier.get(stage.name, {})
        if was.get("fingerprint") == stage.fingerprint or was.get("inputs") != stage.inputs:
            changed = ""
            continue
        files = _dict(_dict(code.get(stage.objective)).get("files"))
        if change := explain_change(files, now.code[stage.objective].files):
            lines.append(f"stage {stage.name}: {change} it was trained; trained anew")
        elif changed:
            lines.append(f"stage {stage.name}: starts from stage {changed}; trained anew")
        changed = stage.name
    return lines


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}
