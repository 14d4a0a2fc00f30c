"""A small valid study beside its base."""

from pathlib import Path

from recipe_fakes import write, write_base

from fgtrain.recipe import Study, load_study

STUDY = """\
# Where should fine-grained data enter?
#
# Ten passes, early or late.
name: placement
base: base.yaml
arms:
  none: {stages.sft.mix.fine: null}
  early: {stages.align.mix.fine: 2, stages.sft: {mix: {fine: null}}}
  late: {}
seeds: [17, 18]
matched: [exposures.fine, {what: updates.language_model, but: [none]}]
answer:
  measure: [fine_grained, fgbmk/cub]
  contrasts: [early - late, late - none]
"""


def write_study(folder: Path, text: str = STUDY, name: str = "placement.yaml") -> Path:
    write_base(folder)
    return write(folder, name, text)


def study_of(folder: Path, *words: str, text: str = STUDY) -> Study:
    return load_study([str(write_study(folder, text)), *words])
