"""What is told of a folder before anything is trained."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data import load_folder
from keras_gcnn.data.folders.colours import class_colours
from keras_gcnn.data.folders.contact_sheet import write_contact_sheet
from keras_gcnn.data.folders.options import Folder
from keras_gcnn.data.folders.survey import survey
from keras_gcnn.training import load_recipe
from keras_gcnn.training.recipes import new
from keras_gcnn.training.recipes.new import write_recipe

pytestmark = pytest.mark.backend_free


def test_everything_that_matters_is_told(pets, write):
    (pets / "dog" / "again.png").write_bytes((pets / "cat" / "0.png").read_bytes())
    (pets / "cat" / "notes.txt").write_text("no image")
    (pets / "cat" / "bad.png").write_text("no image")
    for number in range(3):
        write(f"pets/rare/{number}.png", (4, 6), "uint16")
    found = survey(Folder(pets))
    assert found.image_shape == (8, 8, 3)
    assert [str(path.name) for path in found.duplicates[0]] == ["0.png", "again.png"]
    text = str(found)
    for part in (
        f"{pets}: 25 images, a folder for each class",
        "classes: cat 10, dog 11, rare 3 (the largest class is 4 times the smallest",
        "sizes (rows x columns): 8 x 8: 21, 4 x 6: 3",
        "kinds: colour, 8 bits: 21; grey, 16 bits: 3",
        "other files: 1, which are left out",
        f"damaged: 1\n  {pets / 'cat' / 'bad.png'}: is no image",
        "duplicates: 1 image is there more than once, 1 of them in several classes",
    ):
        assert part in text


def test_files_with_several_images_are_told(pets, write):
    assert "several images" not in str(survey(Folder(pets)))
    more = [Image.fromarray(write("more.png", (8, 8), "uint16")) for _ in range(4)]
    for name in ("cat/stack.tif", "dog/stack.tif"):
        write(f"pets/{name}", (8, 8), "uint16", save_all=True, append_images=more)
    write("pets/cat/one.tif", (8, 8), "uint16")
    colours = [Image.fromarray(write("more.png"))]
    write("pets/cat/camera.jpg", format="MPO", save_all=True, append_images=colours)
    assert "files with several images: 2; only the first" in str(survey(Folder(pets)))
    assert "Of 2 files with several images, the first" in load_folder(pets).description


def lines_about_others(folder, **options):
    text = str(survey(Folder(folder, **options)))
    return [line for line in text.split("\n") if line.startswith(("left out", "other files"))]


def test_images_beside_the_classes_are_told_with_what_to_do(pets, write):
    write("pets/stray.png")
    (pets / "notes.txt").write_text("no image")
    write("pets/.hidden.png")
    assert lines_about_others(pets) == [
        "left out: 1 image beside the folders of classes: stray.png. Move each into the folder of "
        "its class, or move them out of the folder",
        "other files: 1, which are left out: notes.txt",
    ]
    text = load_folder(pets).description
    assert "Left out: 1 image beside the folders of classes." in text
    for split in ("train", "test"):
        for name in ("a", "b"):
            for number in range(4):
                write(f"divided/{split}/{name}/{number}.png")
        write(f"divided/{split}/{split}.png")
    write("divided/top.png")
    (first, *_) = lines_about_others(pets.parent / "divided")
    assert "3 images beside the folders of classes: test.png, top.png, train.png. Move" in first
    assert "Left out: 3 images" in load_folder(pets.parent / "divided").description


def test_images_that_a_table_does_not_name_are_told(write, tmp_path):
    for number in range(6):
        write(f"loose/all/{number}.png")
    write("loose/7.png")
    rows = "".join(f"all/{number}.png,{number % 2}\n" for number in range(4))
    (tmp_path / "loose" / "A.csv").write_text(f"file,label\n{rows}loose/../all/4.png,1\n")
    (tmp_path / "loose" / "loose").mkdir()
    options = {"table": "A.csv"}
    assert lines_about_others(tmp_path / "loose", **options) == [
        "left out: 2 images that the table A.csv does not name: 5.png, 7.png. Write a row for "
        "each, or move them out of the folder"
    ]
    text = load_folder(tmp_path / "loose", **options).description
    assert "Left out: 2 images that the table A.csv does not name." in text


def test_images_beside_those_with_masks_are_told(write, tmp_path):
    mask = np.zeros((8, 8), "uint8")
    mask[:, 4:] = 9
    (tmp_path / "cells" / "masks").mkdir(parents=True)
    for number in range(3):
        write(f"cells/images/{number}.png")
        Image.fromarray(mask).save(tmp_path / "cells" / "masks" / f"{number}.png")
    write("cells/top.png")
    write("cells/more/deep/1.png")
    (line,) = lines_about_others(tmp_path / "cells", target="mask")
    assert "2 images beside the folders images and masks: 1.png, top.png. Move each into" in line


def test_dark_images_are_noticed(write, tmp_path):
    for name in ("a", "b"):
        pixels = write(f"dim/{name}/1.png", (4, 4), "uint16") // 300
        Image.fromarray(pixels).save(tmp_path / "dim" / name / "1.png")
    text = str(survey(Folder(tmp_path / "dim")))
    assert re.search(r"dark: the largest number is 0\.\d\d% of white", text)


def test_a_contact_sheet_has_a_row_for_each_class(pets, tmp_path):
    write_contact_sheet(survey(Folder(pets)), tmp_path / "sheet.png", per_class=5)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 118 + 4, 5 * 100 + 4, 3)
    first = np.asarray(Image.open(pets / "cat" / "0.png").resize((96, 96), Image.BILINEAR))
    np.testing.assert_array_equal(sheet[22:118, 4:100], first)


@pytest.mark.parametrize(
    ("name", "networks"),
    [("folder", ["P4M", "plain", "plain-augmented"]), ("any_angle", ["SO2", "plain-augmented"])],
)
def test_a_recipe_is_written_for_a_folder(write, tmp_path, name, networks):
    for label in ('odd "name"', "b"):
        for number in range(2):
            write(f"my images/{label}/{number}.png", (120, 150, 3))
    path = tmp_path / "mine.toml"
    told = write_recipe(path, survey(Folder(tmp_path / "my images")), name)
    assert "96 x 96" in told
    assert "120 x 150; they are made square" in told
    recipe = load_recipe(path)
    assert recipe.data.size == (96, 96)
    assert recipe.training.batch_size == 8  # for four images
    assert Path(recipe.data.folder) == tmp_path / "my images"
    assert [model.name for model in recipe.models] == networks
    assert 'odd "name"' in path.read_text(encoding="utf-8").partition("\n")[0]
    with pytest.raises(ValueError, match=r"mine.toml exists. Choose another name"):
        write_recipe(path, survey(Folder(tmp_path / "my images")))
    with pytest.raises(ValueError, match="'digits' is not for a folder"):
        write_recipe(tmp_path / "other.toml", survey(Folder(tmp_path / "my images")), "digits")


def test_a_recipe_for_the_folder_in_which_one_is_has_its_name(pets, tmp_path, monkeypatch):
    monkeypatch.chdir(pets)
    write_recipe(tmp_path / "mine.toml", survey(Folder(Path())))
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert text.startswith("# The folder pets, a folder for each class: 20 images of")
    recipe = load_recipe(tmp_path / "mine.toml")
    assert (recipe.title, recipe.data.folder) == ("Networks on pets", ".")
    assert recipe.data.title == "pets"


@pytest.mark.parametrize(("images", "batch"), [(200, 16), (639, 32), (640, 64), (10**6, 64)])
def test_a_small_folder_has_small_batches(images, batch):
    """So that an epoch has ten steps or more."""
    assert new._batch_size(64, images) == batch


def test_the_table_is_in_the_recipe(write, tmp_path):
    for number in range(4):
        write(f"loose/{number}.png")
    rows = "".join(f"{number}.png,{number % 2}\n" for number in range(4))
    (tmp_path / "loose" / "a.csv").write_text(f"file,label\n{rows}")
    options = Folder(tmp_path / "loose", table="a.csv")
    write_recipe(tmp_path / "mine.toml", survey(options), table="a.csv")
    assert load_recipe(tmp_path / "mine.toml").data.table == "a.csv"


def test_a_folder_without_a_good_image_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "f" / name).mkdir(parents=True)
        (tmp_path / "f" / name / "1.png").write_text("no image")
    with pytest.raises(ValueError, match=r"No image in .* can be used:\n.*a/1.png: is no image"):
        survey(Folder(tmp_path / "f"))


def test_masks_are_described_and_shown(write, tmp_path):
    mask = np.zeros((8, 8), "uint8")
    mask[:, 4:] = 9
    (tmp_path / "cells" / "masks").mkdir(parents=True)
    for number in range(3):
        write(f"cells/images/{number}.png")
        Image.fromarray(mask).save(tmp_path / "cells" / "masks" / f"{number}.png")
    told = write_recipe(
        tmp_path / "new.toml", survey(Folder(tmp_path / "cells", target="mask")), "segmentation"
    )
    assert "brought to 8 x 8" in told
    assert load_recipe(tmp_path / "new.toml").data.masks == "values"
    for name in ("images", "masks"):
        write(f"cells/{name}/1.png", (16, 16))  # a mask of many values
    found = survey(Folder(tmp_path / "cells", target="mask"))
    write_recipe(tmp_path / "other.toml", found, "segmentation")
    assert load_recipe(tmp_path / "other.toml").data.masks == "foreground"
    write("cells/images/1.png", (8, 8))
    Image.fromarray(mask).save(tmp_path / "cells" / "masks" / "1.png")
    write("cells/masks/2.png", (8, 9))
    found = survey(Folder(tmp_path / "cells", target="mask"))
    assert "values of the masks, with their share of the pixels: 0 50.00%, 9 50.00%" in str(found)
    assert "8 x 8 pixels, and its mask 8 x 9" in str(found)
    write_contact_sheet(found, tmp_path / "sheet.png", per_class=5)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 118 + 4, 5 * 100 + 4, 3)
    tile = sheet[118 + 22 : 118 + 118, 4:100]  # the first mask
    assert not tile[:, :48].any()
    np.testing.assert_array_equal(tile[:, 48:], np.broadcast_to(class_colours(2)[1], (96, 48, 3)))
