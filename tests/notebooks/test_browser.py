"""What a person sees of a run in JupyterLab and in Notebook 7, live and after the file was opened again."""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import serve, wait_for

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser: pip install selenium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="there is no chromium with its driver: apt-get install chromium chromium-driver",
    ),
]

CODE = """
import time, kbar
with kbar.loop(epochs=4, label="fit") as loop:
    for epoch in loop.epochs():
        for n in epoch.steps(range(20)):
            time.sleep(0.02)
            epoch.log(loss=1 / (1 + epoch.index), accuracy=0.5)
        for n in epoch.steps(range(5), "validation"):
            epoch.log(val_loss=2 / (1 + epoch.index))
print("after the fit")
"""
# How well each text of the display can be read: the least ratio of the luminance of text and ground, as WCAG has it.
CONTRAST = """
const box = document.querySelector('.kbar');
const channels = color => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const luminance = rgb => rgb.slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
let ground = box, back = [0, 0, 0, 0];
while (ground && (back.length > 3 && back[3] === 0)) {
    back = channels(getComputedStyle(ground).backgroundColor);
    ground = ground.parentElement;
}
return Math.min(...[...box.querySelectorAll('td, th, span, div')].filter(e => e.innerText).map(e => {
    const style = getComputedStyle(e), alpha = Number(style.opacity), text = channels(style.color);
    const seen = text.slice(0, 3).map((c, i) => alpha * c + (1 - alpha) * back[i]);
    const [low, high] = [luminance(seen), luminance(back)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}));
"""
# Whether any text of the display is wider than the box it is in.
CUT = """
return [...document.querySelectorAll('.kbar td, .kbar th')].filter(e => e.scrollWidth > e.clientWidth + 1).length;
"""


@pytest.fixture(params=["lab", "notebook"])
def application(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["Light", "Dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(application: str, theme: str, tmp_path: Path) -> Iterator[str]:
    """The address of a notebook that a server of its own serves."""
    pytest.importorskip("jupyterlab" if application == "lab" else "notebook")
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": f"JupyterLab {theme}"}))
    cell = {"cell_type": "code", "id": "one", "execution_count": None, "metadata": {}, "outputs": [], "source": CODE}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    files = tmp_path / "files"
    files.mkdir()
    (files / "run.ipynb").write_text(json.dumps(notebook))
    with serve(application, files, tmp_path) as base:
        yield f"{base}/{'lab/tree' if application == 'lab' else 'notebooks'}/run.ipynb"


@pytest.fixture
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1300,1000"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        yield driver


def shown(browser: Any) -> str:
    """The text of the display; "" if there is none."""
    return str(browser.execute_script("const e = document.querySelector('.kbar'); return e ? e.innerText : ''"))


def test_a_run_is_seen_live_and_after_the_notebook_was_opened_again(
    address: str, browser: Any, tmp_path: Path, theme: str
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    base = address.split("/lab")[0].split("/notebooks")[0]

    def sessions() -> Any:
        return json.load(urllib.request.urlopen(f"{base}/api/sessions"))

    browser.get(address)
    wait_for(lambda: sessions()[0]["kernel"]["execution_state"] == "idle", sessions)  # what is run sooner is lost
    asked = 0.0
    live: set[str] = set()

    def is_over() -> bool:
        nonlocal asked
        if time.monotonic() - asked > 15 and not browser.find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output"):
            browser.find_element(By.CSS_SELECTOR, ".jp-CodeCell .cm-content").click()  # it is made anew now and then
            webdriver.ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
            asked = time.monotonic()
        text = shown(browser)
        live.add(text)
        return "100%" in text and "4/4" in text and "train" not in text

    wait_for(is_over, lambda: (live, browser.find_element(By.TAG_NAME, "body").text, sessions()))
    assert len(live) > 2, "it was seen while it went on"
    assert browser.execute_script("return document.querySelector('.kbar i').clientWidth") >= 200
    assert browser.execute_script(CUT) == 0
    assert browser.execute_script(CONTRAST) >= 3.0
    assert browser.execute_script("return document.querySelectorAll('.kbar').length") == 1
    text = shown(browser)
    webdriver.ActionChains(browser).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    saved = tmp_path / "files" / "run.ipynb"
    wait_for(lambda: "epoch 4/4" in saved.read_text())
    for kernel in sessions():
        request = urllib.request.Request(f"{base}/api/sessions/{kernel['id']}", method="DELETE")
        urllib.request.urlopen(request)
    browser.get("about:blank")
    browser.get(address)
    wait_for(lambda: shown(browser))
    assert shown(browser) == text
    if folder := os.environ.get("KBAR_PICTURES"):  # for the documentation
        name = f"{'lab' if '/lab/' in address else 'notebook'}-{theme.lower()}.png"
        browser.find_element(By.CSS_SELECTOR, ".jp-CodeCell").screenshot(str(Path(folder) / name))
