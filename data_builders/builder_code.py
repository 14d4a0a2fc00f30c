"""All builders by name, and the code that decides what each of them writes."""

from .shared.code_identity import CodeIdentity, code_of, explain_change

PROGRAM = "python -m data_builders"
# name -> the module that has it as BUILDER; imported when asked for, as some need much
MODULES = {
    "short_answer": "short_answer",
    "questions": "questions",
    "preferences": "preferences",
    "caption": "caption",
    "caption_fg": "caption_fg",
    "tf_balanced": "tf_balanced",
    "mosaic": "mosaic",
    "open_world": "writing.open_world",
    "llava": "llava",
    "fgbmk": "fgbmk",
    "frow": "writing.frow",
    "unpack": "unpack",
    "general": "general.builder",
    "knowledge": "knowledge",
    "drawn": "drawn.builder",
}
BUILDERS: tuple[str, ...] = tuple(MODULES)
BENCHMARK_BUILDERS = ("fgbmk", "frow", "general")


def builder_code(what: str) -> CodeIdentity:
    """Of the builder, all that it imports, and what runs at its end."""
    end = ("data_builders.leakage.contradictions",) if what in BENCHMARK_BUILDERS else ()
    return code_of(f"data_builders.{MODULES[what]}", *end)


def changed_code(manifest: dict, now: CodeIdentity) -> str:
    """Why what `manifest` vouches for would be built otherwise by the code `now`: "" where it would not."""
    was = manifest.get("code")
    if isinstance(was, dict) and was.get("hash") == now.hash:
        return ""
    files = was.get("files") if isinstance(was, dict) else None
    return explain_change(files if isinstance(files, dict) else {}, now.files)
