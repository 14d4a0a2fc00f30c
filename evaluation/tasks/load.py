"""From selectors and data folders to tasks with all their questions."""

from pathlib import Path

from data_builders.shared.errors import UserError

from .question_files import read_items
from .task import Task
from .task_files import TaskSpec, all_specs, could_select, find_files, selects


def load_tasks(names: list[str], data: list[Path]) -> list[Task]:
    """The tasks that `names` mean (see `selects`), with all their items, in the order of `names`, then of files.

    Raises UserError for a data folder or a task that is not there (with the command that builds it), for a task
    found twice, and for rows that are broken (with file and line).
    """
    folders: list[Path] = []
    for folder in map(Path, data):
        if not folder.is_dir():
            raise UserError(f"no data folder {folder}")
        if folder.resolve() not in [known.resolve() for known in folders]:
            folders.append(folder)
    candidates = []
    for spec in all_specs().values():
        candidates += [(spec, path, fields, spec.task.format(**fields)) for path, fields in find_files(spec, folders)]
    chosen: dict[str, tuple[TaskSpec, Path, dict[str, str]]] = {}
    for selector in names:
        matching = [row for row in candidates if selects(selector, row[0], row[3])]
        if not matching:
            raise UserError(nothing_found(selector, folders, [row[3] for row in candidates]))
        for spec, path, fields, name in matching:
            if name in chosen and chosen[name][1] != path:
                raise UserError(f"task {name} is found twice: {chosen[name][1]} and {path}; name one data folder only")
            chosen[name] = (spec, path, fields)
    return [read_items(spec, path, fields) for spec, path, fields in chosen.values()]


def nothing_found(selector: str, folders: list[Path], present: list[str]) -> str:
    where = ", ".join(map(str, folders)) or "no data folder"
    likely = [spec for spec in all_specs().values() if could_select(selector, spec)]
    if not likely:
        known = ", ".join(all_specs())
        return f"unknown task {selector!r}; task files: {known} (your own: --tasks-from DIR)" + (
            f"; found here: {', '.join(present)}" if present else ""
        )
    looked = "; ".join(f"{' or '.join(spec.files)} (build it: {spec.build})" for spec in likely)
    message = f"task {selector!r}: no question file in {where}; looked for {looked}"
    if inside := next((one for one in folders if one.resolve().name in ("FG-BMK", "FROW", "general")), None):
        message += f". Name the folder that holds {inside.resolve().name}/: {inside.resolve().parent}"
    return message + (f". Found here: {', '.join(present)}" if present else "")
