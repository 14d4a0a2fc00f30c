"""Folder trees, and CIFAR-100 as it is downloaded."""

import json
import shutil
from io import BytesIO

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from small_sources import picture

from data_builders.build import build
from data_builders.builder_code import builder_code
from data_builders.drawn.taxonomy import all_species
from data_builders.shared.build_marker import MARKER
from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json
from data_builders.sources import load_source

SPECIES = {species.name: species for species in all_species()}


# Folders


def test_a_taxonomy_gives_a_folder_tree_levels_aliases_and_attributes(copy):
    root = copy("folder")
    source = load_source("folder", root)
    assert [(level.name, level.plural) for level in source.levels] == [
        ("class", "classes"),
        ("genus", "genera"),
        ("species", "species"),
    ]
    for row in source.images:
        species = SPECIES[row.category]
        assert list(row.parents.items()) == [("class", species.look.meta), ("genus", species.genus)]
        assert row.attributes == species.look.attributes()
    assert source.aliases["lum wug"] == ("lum bird", "wug lum")
    assert set(source.attribute_values["tail shape"]) == {"forked", "round", "square"}
    with open(root / "taxonomy.csv", "a") as file:
        file.write("Dodo,wug,bird,,a,b,c,d,e,f\n")
    with pytest.raises(UserError, match="1 classes have no folder with images, the first: 'dodo'"):
        load_source("folder", root)


def test_a_taxonomy_may_call_coded_folders_by_name_and_say_nothing_else(tmp_path):
    for path in ("train/n01440764/a.jpg", "valid/n01440764/b.PNG", "test/n02/ç, d.jpg", "train/n01440764/.hidden.jpg"):
        picture(tmp_path / path)
    (tmp_path / "taxonomy.csv").write_text('category,name\nn01440764,Tench\nn02,"Ray, electric"\n')
    source = load_source("folder", tmp_path)
    assert [(row.image, row.category, row.split) for row in source.images] == [
        ("train/n01440764/a.jpg", "tench", "train"),
        ("valid/n01440764/b.PNG", "tench", "val"),
        ("test/n02/ç, d.jpg", "ray, electric", "test"),
    ]
    assert [level.name for level in source.levels] == ["category"]


def test_texts_are_no_class_and_links_are_followed_once(tmp_path):
    picture(tmp_path / "elsewhere/a.jpg")
    root = tmp_path / "root"
    (root / "texts").mkdir(parents=True)
    (root / "crow").symlink_to(tmp_path / "elsewhere")
    assert [row.image for row in load_source("folder", root).images] == ["crow/a.jpg"]
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    with pytest.raises(UserError, match="is a link to a folder that is read already"):
        load_source("folder", root)


# CIFAR-100


def test_the_binary_version_is_unpacked_into_what_is_drawn(source_miniatures, tmp_path):
    root = source_miniatures / "cifar100"
    build("unpack", root=root, out=tmp_path / "out", options={"source": "cifar100"})
    drawn, unpacked = load_source("cifar100", root), load_source("cifar100", tmp_path / "out")
    assert unpacked.images == drawn.images
    for row in unpacked.images:
        assert (root / row.image).read_bytes() == (tmp_path / "out" / row.image).read_bytes()
    with pytest.raises(UserError, match=r"root was .*cifar100, is"):
        build("unpack", root=tmp_path, out=tmp_path / "out", options={"source": "cifar100"})


def test_parquet_files_are_unpacked_as_the_binary_version(source_miniatures, tmp_path):
    drawn = load_source("cifar100", source_miniatures / "cifar100")
    fine, coarse = drawn.labels(drawn.levels[1]), drawn.labels(drawn.levels[0])
    names = {"fine_label": {"names": [name.replace(" ", "_") for name in fine]}, "coarse_label": {"names": coarse}}
    for split in ("train", "test"):
        rows = [
            {
                "img": {"bytes": (drawn.root / row.image).read_bytes(), "path": None},
                "fine_label": fine.index(row.category),
                "coarse_label": coarse.index(row.parents["superclass"]),
            }
            for row in sorted(drawn.split(split), key=lambda row: row.image.rpartition("/")[2])
        ]
        table = pyarrow.Table.from_pylist(rows)
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": names}})})
        (tmp_path / "hub/cifar100").mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(table, tmp_path / f"hub/cifar100/{split}-00000-of-00001.parquet")
    build("unpack", root=tmp_path / "hub", out=tmp_path / "out", options={"source": "cifar100"})
    assert load_source("cifar100", tmp_path / "out").images == drawn.images


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("train.bin", lambda data: data[:-7], "picture 32: 3067 bytes instead of 3074"),
        ("train.bin", lambda data: bytes((0, 40)) + data[2:], "picture 1: fine label 40, but there are 32 names"),
        ("train.bin", lambda data: data + bytes((1,)) + data[1:3074], "picture 33: lum_wug lies in tib, before in wug"),
        ("test.bin", lambda data: b"", "no test pictures"),
        ("fine_label_names.txt", lambda data: data.replace(b"lum_wug", b"../../x"), "no name of a folder"),
        ("fine_label_names.txt", lambda data: data.replace(b"lum_wug", b"lum/wug"), "no name of a folder"),
        ("fine_label_names.txt", lambda data: data.replace(b"lum_wug", b"bek_wug"), "there twice"),
    ],
)
def test_faulty_packed_pictures_are_named(copy, tmp_path, file, change, says):
    root = copy("cifar100") / "cifar-100-binary"
    (root / file).write_bytes(change((root / file).read_bytes()))
    with pytest.raises(UserError, match=says):
        build("unpack", root=root, out=tmp_path / "out", options={"source": "cifar100"})
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_pickles_are_refused_and_the_reader_says_how_to_unpack(tmp_path):
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "meta").write_bytes(b"\x80\x02cos\nsystem\n")
    with pytest.raises(UserError, match=r"pickles.*cifar-100-binary.tar.gz"):
        build("unpack", root=tmp_path, out=tmp_path / "out", options={"source": "cifar100"})
    with pytest.raises(UserError, match="data_builders unpack --source cifar100"):
        load_source("cifar100", tmp_path)


def test_unpacking_goes_on_after_an_interruption_and_spares_other_folders(source_miniatures, tmp_path):
    root, out = source_miniatures / "cifar100", tmp_path / "out"
    (out / "train").mkdir(parents=True)
    (out / "train" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        build("unpack", root=root, out=out, options={"source": "cifar100"})
    shutil.rmtree(out)
    build("unpack", root=root, out=out, options={"source": "cifar100"})
    whole = sorted(path for path in out.rglob("*.png"))
    (out / "manifest.json").unlink()
    asked = {"root": str(root.resolve()), "source": "cifar100"}
    write_json(out / MARKER, {"asked": asked, "code": builder_code("unpack").hash})
    whole[0].unlink()
    build("unpack", root=root, out=out, options={"source": "cifar100"})
    assert sorted(path for path in out.rglob("*.png")) == whole
    stream = BytesIO(whole[0].read_bytes())
    assert np.asarray(Image.open(stream)).shape == (32, 32, 3)
