"""Files that are too large or nested too deep end in one line, at once."""

import json
import re
import sys
import time

import pytest

from keras_gcnn import cli
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training import backend, load_recipe, user_files
from keras_gcnn.training.recipes import loading as recipe_file
from keras_gcnn.training.runs import result_file

pytestmark = pytest.mark.backend_free
TOML = {
    "brackets": ("seeds = " + "[" * 2000 + "]" * 2000, "line 1 nests .* more than 32 deep"),
    "inline tables": ("\n" + "a = {" * 1000 + "}" * 1000, "line 2 nests"),
    "a dotted key": (".".join(["a"] * 20_000) + " = 1", "line 1 nests"),
    "a dotted header": ("[" + ".".join(["a"] * 20_000) + "]", "line 1 nests"),
    "dots of several brackets": ("a.a.a.a.a = {" * 7 + "}" * 7, "line 1 nests"),
    "quoted names": (".".join(['"x.y"'] * 40) + " = 1", "line 1 nests"),
    "after an open string": ("a = 'x\n" + "[" * 50, "line 2 nests"),
    "a large file": ("#" * (user_files.MOST_TOML + 1), "more than 131,072 bytes"),
    "many digits": ("seeds = [" + "9" * 5000 + "]", "4300 digits"),
    "many hexadecimal digits": ("title = 0x" + "f" * 5000, "thousands of digits"),
}


@pytest.mark.parametrize("command", ["train", "tune"])
@pytest.mark.parametrize(("text", "message"), TOML.values(), ids=TOML)
def test_a_hostile_recipe_or_search_is_a_sentence(command, text, message, monkeypatch, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    monkeypatch.setattr(sys, "argv", ["keras-gcnn", command, str(path)])
    printed = []
    monkeypatch.setattr(cli.Console, "print", lambda self, text, **_: printed.append(str(text)))
    start = time.perf_counter()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert time.perf_counter() - start < 5  # some took 15 seconds, and time that is squared
    (text,) = printed
    assert re.match(rf"Error: {path} is no(.|\n)*{message}", text)


def test_brackets_and_dots_in_strings_and_comments_do_not_count(tmp_path):
    many = "[{.#" * 50
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"# {many}\n"
        f'a = """\n{many}\n\\"""{many}"""" # {many}\n'
        f"b = '''{many}'''\n"
        f'c = {{ \'{many}\' = "\\"{many}", d.e = 1.5 }}\n'
    )
    assert recipe_file.read(path, {}) == {
        "a": f'{many}\n"""{many}"',
        "b": many,
        "c": {many: f'"{many}', "d": {"e": 1.5}},
    }


def test_many_wrong_keys_are_counted(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("".join(f"k{one} = 1\n" for one in range(1000)))
    with pytest.raises(ValueError, match=r"k0: unknown key(.|\n)*and 972 more$") as caught:
        load_recipe(path)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 500 + "]" * 500, '{"a": ' * 70 + "1" + "}" * 70, " " * 101]
)
def test_json_that_is_deep_or_large_is_damaged(text, tmp_path, monkeypatch):
    monkeypatch.setattr(user_files, "MOST_DATA", max(100, len(text.strip())))
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"result\.json is damaged\. Delete it\."):
        files.read_json(path, lambda content: True, "Delete it.")


def test_json_of_ordinary_depth_is_read(tmp_path):
    content = []
    for _ in range(60):
        content = [content, {"a": 1}]
    path = tmp_path / "a.json"
    files.write_json(path, content)
    assert files.read_json(path, bool, "") == content


def test_a_history_with_an_endless_field_is_as_none(tmp_path):
    history = tmp_path / "history.csv"
    result = tmp_path / "result.json"
    result.write_text(json.dumps({"network": "a", "seed": 0}))
    for text in ("seconds\n" + "9" * 200_000, "seconds\n3.0\n" * 3, "seconds\n\xff", ""):
        history.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=r"lacks .*epochs"):
            result_file.read(result, 10, lambda *_: True)


def test_a_configuration_of_keras_that_is_deep_is_named(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text("[" * 100_000)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"keras\.json is no configuration of Keras"):
        backend._configured_backend()


def test_a_name_of_a_file_that_is_no_text_can_be_written(tmp_path):
    files.write_text(tmp_path / "table.csv", "caf\udce9.png,é\n")
    assert (tmp_path / "table.csv").read_text("utf-8") == "caf\\udce9.png,é\n"
