"""What is kept on disk counts only while the code that made it is the code that would make it now."""

from pathlib import Path

import pytest
from data_fakes import SPEC, counting_encoder, picture_rows, stage_data, training_set

from data_builders.shared.code_identity import CodeIdentity
from fgtrain.data import FeatureCache

OTHER = CodeIdentity("0" * 16, {})


@pytest.fixture
def sets(tmp_path) -> dict[str, Path]:
    return {"pictures": training_set(tmp_path / "pictures", picture_rows(tmp_path / "pictures/images", 3))}


def encoded(tmp_path, sets) -> int:
    encode, calls = counting_encoder()
    stage_data(
        tmp_path, sets, {"pictures": 1}, features=FeatureCache(tmp_path / "features", encode, "e", SPEC)
    ).prepare()
    return sum(calls)


def test_pictures_are_encoded_anew_by_other_code(tmp_path, sets, monkeypatch):
    first = encoded(tmp_path, sets)
    assert first > 0 == encoded(tmp_path, sets)
    monkeypatch.setattr("fgtrain.data.features.encoding_code", lambda: OTHER)
    assert encoded(tmp_path, sets) == first


@pytest.mark.parametrize(("module", "pattern"), [("rows", "*.arrow"), ("checks", "*.npy")])
def test_rows_are_read_and_counted_anew_by_other_code(tmp_path, sets, monkeypatch, module, pattern):
    def made() -> int:
        data = stage_data(tmp_path, sets, {"pictures": 1})
        data.setup("fit")
        data.counts_per_pass()
        return len(list(tmp_path.rglob(pattern)))

    assert [made(), made()] == [1, 1]
    monkeypatch.setattr(f"fgtrain.data.{module}.code_of", lambda *roots: OTHER)
    assert made() == 2
