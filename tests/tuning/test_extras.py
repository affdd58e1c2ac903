"""`keras_gcnn.tuning` is reachable by `import keras_gcnn` alone, and names the extras it lacks."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.backend_free


def run(code):
    # Under the name of the command, the package does not import Keras, which would take seconds.
    start = "import sys; sys.argv = ['keras-gcnn']; import keras_gcnn\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True)


def test_it_is_reachable_and_imports_keras_tuner_late():
    done = run(
        "print(keras_gcnn.tuning.load_search('digits').search.builder)\n"
        "assert not {'keras', 'keras_tuner'} & set(sys.modules)\n"
        "sys.modules['keras'] = sys  # in its place, since Keras takes seconds\n"
        "sys.modules['keras_tuner'] = None\n"
        "keras_gcnn.tuning.search"
    )
    assert done.stdout == "lenet\n", done.stderr
    assert done.stderr.splitlines()[-1].startswith("ImportError")
    assert "pip install 'keras-gcnn[tune]'" in done.stderr


def test_a_lack_of_what_recipes_need_is_explained():
    done = run("sys.modules['pydantic'] = None\nkeras_gcnn.tuning")
    assert "pip install 'keras-gcnn[tune]'" in done.stderr.splitlines()[-1]
