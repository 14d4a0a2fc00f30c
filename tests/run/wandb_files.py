"""Reads offline W&B runs back: no summary file is written, the figures lie in the .wandb file as records."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore


def offline_files(run: Path) -> list[Path]:
    """The files of all starts of a run, oldest first."""
    return sorted((run / "wandb").glob("offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns)


def records(file: Path) -> Iterator[Any]:
    store = DataStore()
    store.open_for_scan(str(file))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def curve(file: Path, name: str, axis: str) -> list[tuple[float, float]]:
    """(place on the axis, value) of each point of a curve, in the order in which they came."""
    points = []
    for record in records(file):
        if record.WhichOneof("record_type") != "history":
            continue
        row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        if name in row:
            points.append((row[axis], row[name]))
    return points


def curve_names(file: Path) -> set[str]:
    return {
        item.key or "/".join(item.nested_key)
        for record in records(file)
        if record.WhichOneof("record_type") == "history"
        for item in record.history.item
    }


def step_axes(file: Path) -> dict[str, str]:
    """Pattern of curves -> their step axis, as `define_metric` has written them."""
    found = [record.metric for record in records(file) if record.WhichOneof("record_type") == "metric"]
    return {metric.glob_name: metric.step_metric for metric in found if metric.glob_name and metric.step_metric}


def run_record(file: Path) -> tuple[str, dict[str, Any]]:
    """(run id, config)."""
    runs = [record.run for record in records(file) if record.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for run in runs for item in run.config.update}
    return runs[0].run_id, config


def tables(file: Path) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Name -> (columns, rows) of each logged table, as its artifact holds it; a picture is the path of its file."""
    found = {}
    for record in records(file):
        if record.WhichOneof("record_type") != "artifact":
            continue
        kept = {one.path: Path(one.local_path) for one in record.artifact.manifest.contents}
        (name,) = [path for path in kept if path.endswith(".table.json")]
        table = json.loads(kept[name].read_text())
        rows = [[kept[cell["path"]] if isinstance(cell, dict) else cell for cell in row] for row in table["data"]]
        found[name.removesuffix(".table.json")] = table["columns"], rows
    return found
