"""Why a stage is trained anew although nothing was chosen otherwise: the program's own code has changed. Pure."""

from typing import Any

from data_builders.shared.code_identity import explain_change

from .schema import Plan, StagePlan


def why_anew(before: dict[str, Any], now: Plan) -> list[str]:
    """One line for each stage that differs from the run's earlier plan because of code, in their order: of what trains
    it, or of what built its data.

    `before`: what stands in the run's plan.json; a plan of another shape than today's gives no line.
    """
    earlier = {stage.get("name"): stage for stage in _list(before.get("stages")) if isinstance(stage, dict)}
    code = _dict(before.get("code"))
    lines: list[str] = []
    changed, by_data = "", False  # the stage before; its own inputs differ, so those of the next one must
    for stage in now.stages:
        was = earlier.get(stage.name, {})
        if not was or was.get("fingerprint") == stage.fingerprint:
            changed, by_data = "", False
            continue
        files = _dict(_dict(code.get(stage.trained_by)).get("files"))
        same = was.get("inputs") == stage.inputs
        if same and (change := explain_change(files, now.code[stage.trained_by].files)):
            lines.append(f"stage {stage.name}: {change} it was trained; trained anew")
        elif sets := rebuilt(was, stage):
            lines.append(f"stage {stage.name}: other code has built {', '.join(sets)} with other rows; trained anew")
            by_data = True
        elif changed and (same or by_data):
            lines.append(f"stage {stage.name}: starts from stage {changed}; trained anew")
        else:
            continue
        changed = stage.name
    return lines


def rebuilt(was: dict[str, Any], now: StagePlan) -> list[str]:
    """The stage's data sets that other code has built since, and that have other rows now. `was`: as in plan.json."""
    before = {data.get("name"): data for data in _list(was.get("data")) if isinstance(data, dict)}
    found = []
    for data in now.data:
        one = before.get(data.name, {})
        if one.get("sha256") and data.sha256 and one["sha256"] != data.sha256 and one.get("code") != data.code:
            found.append(data.name)
    return found


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}
