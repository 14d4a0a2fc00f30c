"""What only tells begins at once: libraries that take seconds are imported where they are needed."""

import pytest
from imported import TRAINING, imported

FIGURES = {"pandas", "scipy", "sklearn", "matplotlib", "scikit_posthocs", "seaborn", "statsmodels"}
SLOW = TRAINING | FIGURES | {"numpy", "pydantic", "openai", "pyarrow", "albumentations", "jinja2", "rich", "PIL"}


@pytest.mark.parametrize("package", ["fgtrain", "evaluation", "data_builders"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_library_that_takes_long(package, option, tmp_path):
    assert imported(tmp_path, package, option) & SLOW == set()


def test_status_imports_nothing_that_trains(tmp_path):
    assert imported(tmp_path, "fgtrain", "recipes/mini/studies/demo.yaml", "--status") & (TRAINING | FIGURES) == set()


def test_the_options_of_all_commands_are_known_without_what_trains(tmp_path):
    assert imported(tmp_path, "fgtrain", "completion", "bash") & (TRAINING | FIGURES) == set()
