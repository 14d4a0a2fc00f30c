"""Rows of metrics.jsonl as W&B curves: each concern under a prefix, against a step axis of its own."""

from collections.abc import Iterable
from typing import Any

from fgtrain.plan import Plan

# Names of figures that come by data set or by part.
NAMES = {"loss_by_data_set": "loss", "grad_norm_by_part": "grad_norm"}
ONE_CHECKPOINT = "not measured: one checkpoint has no other to stand beside"
PICTURES = "forgotten_pictures"
WATCHED = ("forgetting", "at_least", "limit", "gain", "worth")
PLACE = ("kind", "stage", "step", "group", "subset", "unmeasured")


def axes(plan: Plan) -> dict[str, str]:
    """Step axis -> the curves drawn against it. Without one of its own a curve would lose points to the others'."""
    trained = [stage.name for stage in plan.stages if stage.batch is not None]
    found = {f"train/{stage}/step": f"train/{stage}/*" for stage in trained}
    found["features/samples_seen"] = "features/*"
    found["watch/samples_seen"] = "watch/*"
    found["drift/samples_seen"] = "drift/*"
    found["links/samples_seen"] = "links/*"
    found[f"{PICTURES}/samples_seen"] = f"{PICTURES}/*"
    for kind in ("full", "subset"):
        for what in ("eval", "forgetting"):
            found[f"{what}_{kind}/samples_seen"] = f"{what}_{kind}/*"
    return found


def curves(rows: Iterable[dict]) -> dict[str, Any]:
    """The figures of rows of one moment under their curves' names."""
    found: dict[str, Any] = {}
    for row in rows:
        if row["kind"] == "train":
            found |= _train(row)
        elif row["kind"] == "features":
            found["features/samples_seen"] = row["samples_seen"]
            if row["value"] is not None:
                task = row["task"].removeprefix("features/")
                found[f"features/{row['part']}/{task}/{row['rule']}/{row['metric']}"] = row["value"]
        elif row["kind"] == "watch":
            found["watch/samples_seen"] = row["samples_seen"]
            found |= {f"watch/{row['stage']}/{name}": row[name] for name in WATCHED if row.get(name) is not None}
        elif row["kind"] == "drift":
            found["drift/samples_seen"] = row["samples_seen"]
            found |= {f"drift/{row['stage']}/kl": row["kl"]} if row["kl"] is not None else {}
            found |= {f"drift/{row['stage']}/kl/{name}": kl for name, kl in row["by"].items()}
        elif row["kind"] == "links":
            found["links/samples_seen"] = row["samples_seen"]
            found[f"links/{row['part']}/{row['task']}/{row['link']}"] = row["value"]
        elif row["kind"] in ("eval", "forgetting"):
            kind = "subset" if row["subset"] else "full"
            prefix = f"{row['kind']}_{kind}"
            found[f"{prefix}/samples_seen"] = row["samples_seen"]
            if row["kind"] == "forgetting":
                found |= {f"{prefix}/{name}": row[name] for name in row if name not in (*PLACE, "samples_seen")}
            elif row["value"] is not None:
                name = f"{prefix}/{row['task']}/{row['rule']}"
                found[name if name not in found else f"{name}/{row['metric']}"] = row["value"]
                if row.get("chance") is not None:
                    part = "" if row["primary"] else f"/{row['metric']}"
                    found[f"{prefix}/{row['task']}{part}/chance"] = row["chance"]
    return found


def unmeasured(rows: Iterable[dict]) -> dict[str, str]:
    """What has no number by the last of all rows -> why, for the table of runs: words, that nobody takes for 0."""
    found = [row for row in rows if row["kind"] == "forgetting" and not row["subset"]]
    if len(found) == 1:
        return dict.fromkeys(("forgetting", "fine_grained_gain"), ONE_CHECKPOINT) | found[0].get("unmeasured", {})
    return {name: text for row in found[-1:] for name, text in row.get("unmeasured", {}).items()}


def _train(row: dict) -> dict[str, Any]:
    prefix = f"train/{row['stage']}"
    found = {f"{prefix}/step": row["step"]}
    for key, value in row.items():
        if key in PLACE:
            continue
        if isinstance(value, dict):
            found |= {f"{prefix}/{NAMES.get(key, key)}/{name}": figure for name, figure in value.items()}
        elif isinstance(value, int | float):
            found[f"{prefix}/{key}"] = value
    return found
