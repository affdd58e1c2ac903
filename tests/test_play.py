"""The page to play with, in Chromium: it draws, turns, and answers as ONNX Runtime in Python."""

import shutil

import numpy as np
import pytest

from keras_gcnn import data
from website.play import browser

onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(bool(browser.what_is_missing()), reason=browser.what_is_missing()),
]
NETWORKS = ("plain", "p4", "so2")
TURNED = """async (angle) => {
  const { turn } = await import("./turning.js");
  return Array.from(turn(play.page.image, angle));
}"""
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def address():
    with browser.served() as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browser.browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def context(chromium):
    context = chromium.new_context(viewport=WIDE, has_touch=True)
    context.requested, context.said = [], []
    context.on("request", lambda request: context.requested.append(request.url))
    context.on("console", lambda message: context.said.append(message.text))
    context.on("weberror", lambda error: context.said.append(str(error.error)))
    yield context
    context.close()


@pytest.fixture(scope="module")
def loaded(context, address):
    return browser.open_page(context, address)


@pytest.fixture
def page(loaded):
    """The page with an upright 7."""
    loaded.get_by_label("Digit 7", exact=True).click()
    turn(loaded, 0)
    return loaded


def turn(page, angle):
    page.evaluate("angle => play.turnTo(angle).then(() => null)", angle)


def answers(page):
    return page.locator("#cards .answer").all_inner_texts()


def angle_of(page):
    return int(page.locator("#degrees").inner_text().removesuffix("°"))


def image_of(page):
    return np.reshape(page.evaluate("Array.from(play.page.image)"), (1, 28, 28, 1))


def ring(page, degrees, radius=0.93):
    """The point of the window at an angle of the stage, counter-clockwise from the top."""
    box = page.locator("#stage").bounding_box()
    half, radians = box["width"] / 2, np.deg2rad(degrees)
    return (
        float(box["x"] + half - radius * half * np.sin(radians)),
        float(box["y"] + half - radius * half * np.cos(radians)),
    )


def drag(page, *points):
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def drag_by_finger(page, *points):
    session = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(points):
        touch = {"type": "touchMove" if number else "touchStart", "touchPoints": [{"x": x, "y": y}]}
        session.send("Input.dispatchTouchEvent", touch)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@pytest.mark.parametrize("angle", [0, 37, 90, 251])
def test_the_networks_answer_as_in_python(page, angle):
    turn(page, angle)
    turned = data.rotate(image_of(page).astype("float32"), angle)
    np.testing.assert_allclose(page.evaluate(TURNED, angle), turned.ravel(), atol=1e-5)
    for number, name in enumerate(NETWORKS):
        session = onnxruntime.InferenceSession(browser.PAGE / "parts" / f"{name}.onnx")
        (logits,) = session.run(["logits"], {session.get_inputs()[0].name: turned})
        shares = page.evaluate("number => play.cards[number].probabilities", number)
        np.testing.assert_allclose(shares, softmax(logits[0]), atol=1e-3)


def test_each_digit_is_read_upright(page):
    for digit in range(10):
        page.get_by_label(f"Digit {digit}", exact=True).click()
        turn(page, 0)
        assert answers(page) == [str(digit)] * 3


def test_only_the_networks_of_groups_read_a_turned_seven(page):
    turn(page, 180)
    plain, p4, so2 = answers(page)
    assert plain != "7"
    assert p4 == so2 == "7"


def test_it_is_turned_by_the_slider_the_ring_keys_and_buttons(page):
    page.locator("#angle").fill("120")
    assert angle_of(page) == 120
    drag(page, ring(page, 120), ring(page, 150), ring(page, 200))
    assert abs(angle_of(page) - 200) <= 2
    page.locator("#upright").click()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert angle_of(page) == 16
    page.get_by_label("A quarter turn to the right").click()
    assert angle_of(page) == 286
    page.locator("#angle").focus()  # the same keys, to the same side
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert angle_of(page) == 302


def test_a_digit_is_drawn_by_hand(page):
    page.get_by_text("Draw your own").click()
    assert not image_of(page).any()
    drag(page, ring(page, 5, 0.55), ring(page, 180, 0.55))
    page.wait_for_function("document.querySelector('#digit').value === '1'")
    turn(page, 0)
    assert answers(page) == ["1"] * 3
    image = image_of(page)[0, :, :, 0]
    rows, columns = np.indices(image.shape)
    centre = [(image * axis).sum() / image.sum() for axis in (rows, columns)]
    np.testing.assert_allclose(centre, 13.5, atol=0.1)
    assert 19 <= np.ptp(np.flatnonzero(image.max(1) > 0.5)) <= 21


def test_what_is_drawn_in_place_of_a_turned_digit_is_upright(page):
    turn(page, 45)
    drag(page, ring(page, 5, 0.55), ring(page, 180, 0.55))
    page.wait_for_function("document.querySelector('#digit').value === '1'")
    assert angle_of(page) == 0
    assert np.count_nonzero(image_of(page)[0, :, :, 0].sum(0) > 0.5) < 8  # columns of an upright 1


def test_screen_readers_hear_the_answers_once_they_are_there(page):
    page.wait_for_function(
        "document.querySelector('#live').textContent === "
        "'Turned by 0 degrees: Plain says 7, P4 says 7, SO(2) says 7.'"
    )
    outputs = page.locator("output")  # each is a live region of its own, unless it says otherwise
    assert {one.get_attribute("aria-live") for one in outputs.all()} == {"off"}


@pytest.mark.parametrize("missing", ["rose.js", "worker.js", "runtime"])
def test_a_page_with_a_missing_part_says_what_to_do(chromium, tmp_path, missing):
    folder = tmp_path / "play"
    shutil.copytree(browser.PAGE, folder, ignore=shutil.ignore_patterns(missing))
    page = chromium.new_page()
    with browser.served(folder) as address:
        page.goto(address)
        page.wait_for_selector("body[data-state=failed]")
    assert "could not be loaded. Load it again" in page.get_by_role("alert").inner_text()
    page.close()


def test_a_whole_turn_fills_the_circles(page):
    page.evaluate("play.goRound(45).then(() => null)")
    for name in range(3):
        angles = page.evaluate("number => [...play.cards[number].answers.keys()]", name)
        assert set(range(0, 360, 45)) <= set(angles)


def test_a_whole_turn_without_motion(page):
    turn(page, 20)
    page.emulate_media(reduced_motion="reduce", color_scheme="dark")
    page.evaluate("play.goRound(90).then(() => null)")
    page.emulate_media(reduced_motion="no-preference", color_scheme="light")
    assert page.evaluate("[...play.cards[2].answers.keys()]") == [0, 20, 110, 200, 290]
    assert angle_of(page) == 20


def test_fields_turned_back_are_the_upright_ones(page):
    page.locator("#panels").scroll_into_view_if_needed()
    turn(page, 90)
    page.wait_for_function("play.panels.every((panel) => panel.difference !== null)")
    plain, p4, so2 = page.evaluate("play.panels.map((panel) => panel.difference)")
    assert p4 < 1e-4
    assert so2 < 1e-4
    assert plain > 0.3


def test_the_encoder_tells_the_turn_from_the_digit(page):
    places = []
    for angle in (0, 90):
        turn(page, angle)
        places.append(page.evaluate("[...play.plane.point, play.plane.angle]"))
    (x, y, before), (turned_x, turned_y, after) = places
    np.testing.assert_allclose([x, y], [turned_x, turned_y], atol=1e-3)
    assert (after - before) % 360 == pytest.approx(90, abs=0.1)


def test_the_point_is_moved_by_hand(page):
    plane = page.locator("#plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    plane.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert not page.locator("#follow").is_checked()
    np.testing.assert_allclose(page.evaluate("play.plane.point"), 0, atol=0.02)
    page.keyboard.press("ArrowRight")
    np.testing.assert_allclose(page.evaluate("play.plane.point"), [0.1, 0], atol=0.02)
    page.locator("#follow").check()


def test_a_narrow_screen_and_a_finger(page):
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    page.get_by_label("Digit 3", exact=True).tap()
    turn(page, 0)
    assert answers(page) == ["3"] * 3
    drag_by_finger(page, ring(page, 0), ring(page, 40), ring(page, 90))
    assert abs(angle_of(page) - 90) <= 2
    page.set_viewport_size(WIDE)


def test_nothing_is_asked_of_another_host_and_nothing_fails(context, loaded, address):
    """The last test, so that all others are behind it."""
    assert len(context.requested) > 10
    assert [url for url in context.requested if not url.startswith((address, "data:"))] == []
    assert context.said == []


def test_the_networks_are_small():
    sizes = [path.stat().st_size for path in (browser.PAGE / "parts").glob("*.onnx")]
    assert len(sizes) == 5
    assert sum(sizes) < 6e6
