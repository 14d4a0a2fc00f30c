"""Every task that is shipped: what it asks, how it is scored, what its file says of its source."""

from evaluation.tasks.task_files import SPEC_FOLDER, TaskSpec, all_specs


def tasks() -> str:
    """A heading for each task file, with what it says and the comment at its head."""
    return "\n".join(_task(spec) for _, spec in sorted(all_specs().items()))


def _task(spec: TaskSpec) -> str:
    lines = (SPEC_FOLDER / f"{spec.name}.yaml").read_text(encoding="utf-8").splitlines()
    told = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    rows = {
        "names of its tasks": f"`{spec.task}`",
        "group": spec.group.replace("_", "-") if spec.group != "beside" else "beside, in no mean",
        "question files": ", ".join(f"`{one}`" for one in spec.files),
        "appended to each question": f"`{spec.suffix.strip()}`" if spec.suffix else "",
        "rules": ", ".join(f"[`{one}`](#rule-{one.replace('_', '-')})" for one in spec.rules),
        "rule that stands for it": f"`{spec.primary}`" + (f", its {spec.headline}" if spec.headline else ""),
        "mean over the values of": f"`{spec.mean_of}`" if spec.mean_of else "",
        "also given by": ", ".join(f"`{one}`" for one in spec.groups),
        "resampled together": "each question by itself" if spec.cluster == "question_id" else f"by {spec.cluster}",
        "longest answer": f"{spec.max_new_tokens} tokens" if spec.max_new_tokens else "nothing is generated",
        "version": str(spec.version),
        "its questions": spec.build,
    }
    table = "\n".join(f"| {key} | {value.replace('|', '&#124;')} |" for key, value in rows.items() if value)
    return f"\n### {spec.name}\n\n{spec.title}. {told}\n\n| | |\n| --- | --- |\n{table}\n"
