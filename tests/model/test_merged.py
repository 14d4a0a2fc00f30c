"""Averages of checkpoints: of each tensor, by part, through little memory."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from model_fakes import model_values, write_language_model, write_vision_encoder
from safetensors import safe_open

from fgtrain.checksums import SUMS, verify_checksums
from fgtrain.model import build_model, load_checkpoint, save_checkpoint, weight_files, weights_hash
from fgtrain.model.families import PARTS
from fgtrain.model.merged import parts_in_files, write_merged
from fgtrain.model.weight_files import Stored

KINDS = {"composed": "norm_mlp2x_gelu", "a released class": "mlp2x_gelu"}  # by their projectors


@pytest.fixture(scope="module", params=KINDS)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three checkpoints of one model, all of whose parts differ."""
    place = tmp_path_factory.mktemp("checkpoints")
    parts = write_vision_encoder(place / "vision"), write_language_model(place / "language")
    found = {}
    for number, name in enumerate(("a", "b", "c")):
        lvlm = build_model(model_values(*parts, projector=KINDS[request.param]), network=False, seed=number)
        with torch.no_grad():
            for index, parameter in enumerate(lvlm.hf.parameters()):
                parameter += (number + 1) * torch.linspace(-1, 1, parameter.numel()).view(parameter.shape) / (index + 1)
        save_checkpoint(lvlm, place / name, {"stage": name})
        found[name] = place / name
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found


def everywhere(**shares: float) -> dict[str, dict[str, float]]:
    return {part: dict(shares) for part in PARTS}


def test_each_tensor_is_the_average_of_its_part(folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Read in pieces of a few rows, written into several files."""
    monkeypatch.setattr(weight_files, "PIECE", 512)
    shares = everywhere(a=0.5, b=0.3, c=0.2) | {"projector": {"b": 1.0}, "vision_encoder": {"a": 0.25, "c": 0.75}}
    write_merged(folders, shares, tmp_path / "merged", {"stage": "merged"}, "# a card\n", shard=20_000)
    assert len(list((tmp_path / "merged").glob("*.safetensors"))) > 1
    part_of, before, merged = (
        parts_in_files(folders["a"]),
        *[{n: weights(f) for n, f in folders.items()}],
        weights(tmp_path / "merged"),
    )
    assert merged.keys() == before["a"].keys()
    for name, values in merged.items():
        expected = sum(share * before[of][name].double() for of, share in shares[part_of[name]].items())
        torch.testing.assert_close(values.double(), expected, rtol=1e-6, atol=1e-7)
        if part_of[name] == "projector":
            assert torch.equal(values, before["b"][name]), name
    verify_checksums(tmp_path / "merged")
    assert load_checkpoint(tmp_path / "merged").max_tokens == load_checkpoint(folders["a"]).max_tokens
    assert set(part_of.values()) == set(PARTS)


def test_memory_holds_two_pieces_of_each_checkpoint_however_large_the_model(folders, tmp_path: Path, monkeypatch):
    """And nothing is computed anywhere but on the CPU."""
    alive: dict[int, tuple[weakref.ref, int]] = {}
    most, read = [0], [0]
    plain = Stored.pieces

    def watched(tensor: Stored) -> Iterator[torch.Tensor]:
        for piece in plain(tensor):
            assert piece.device.type == "cpu"
            size = piece.numel() * piece.element_size()
            alive[len(alive)] = (weakref.ref(piece), size)
            read[0] += size
            most[0] = max(most[0], sum(size for kept, size in alive.values() if kept() is not None))
            yield piece

    monkeypatch.setattr(weight_files, "PIECE", 2048)
    monkeypatch.setattr(Stored, "pieces", watched)
    write_merged(folders, everywhere(a=0.5, b=0.3, c=0.2), tmp_path / "merged", {"stage": "merged"})
    assert most[0] <= 2 * len(folders) * 2048
    assert read[0] > 20 * most[0]


def test_a_share_of_1_is_the_checkpoint_bit_by_bit(folders, tmp_path: Path):
    write_merged({"b": folders["b"]}, everywhere(b=1.0), tmp_path / "merged", {"stage": "merged"})
    assert weights_hash(load_checkpoint(tmp_path / "merged")) == weights_hash(load_checkpoint(folders["b"]))


def test_nothing_is_left_of_a_merge_that_fails(folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fgtrain.model.merged.write_weights", no_space)
    with pytest.raises(Exception, match=r"full|space"):
        write_merged(folders, everywhere(a=0.5, b=0.5), tmp_path / "merged", {})
    assert not list(tmp_path.iterdir())


def test_checkpoints_of_other_models_are_refused(folders, tmp_path: Path):
    (tmp_path / "other").mkdir()
    for path in folders["b"].iterdir():
        if path.is_file() and path.name != SUMS:
            (tmp_path / "other" / path.name).write_bytes(path.read_bytes())
    file = next((tmp_path / "other").glob("*.safetensors"))
    tensors = weights(tmp_path / "other")
    name = next(iter(tensors))
    from safetensors.torch import save_file

    save_file(tensors | {name: torch.zeros(3)}, file, metadata={"format": "pt"})
    with pytest.raises(RuntimeError, match="other tensors"):
        write_merged({"a": folders["a"], "o": tmp_path / "other"}, everywhere(a=0.5, o=0.5), tmp_path / "merged", {})
