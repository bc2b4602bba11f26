"""A page as headless Chromium shows it, asked over its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ describes the methods and events.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_TIMEOUT_S = 60.0  # for a start or an answer, on a machine that is busy with other things
_PHONE_WIDTH_PX, _HEIGHT_PX = 600, 900
# What is folded is opened first: it must fit, too.
_MEASURE = """(() => {
  document.querySelectorAll('details').forEach((element) => { element.open = true; });
  const images = [...document.images];
  const handlers = [...document.querySelectorAll('*')].flatMap((element) =>
    element.getAttributeNames().filter((name) => name.startsWith('on')));
  return {
    width: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    without_alt: images.filter((image) => !image.alt.trim()).map((image) => image.outerHTML),
    broken: images.filter((image) => !image.naturalWidth).map((image) => image.outerHTML),
    scripts: document.scripts.length + handlers.length,
  };
})()"""


@dataclasses.dataclass(frozen=True)
class PageFindings:
    """What is wrong with a page; nothing, where all are empty and 0.

    Attributes:
        console_errors: Errors, refusals of the page's own policy, and exceptions.
        requests: Addresses that were asked for beside the page and what is embedded in it.
        overflow_px: How much wider than the window the page is, with all folded parts open.
        images_without_alt: The tags of images without an alternative text.
        broken_images: The tags of images that could not be shown.
        num_scripts: Script elements, and attributes such as `onerror`.
    """

    console_errors: tuple[str, ...]
    requests: tuple[str, ...]
    overflow_px: int
    images_without_alt: tuple[str, ...]
    broken_images: tuple[str, ...]
    num_scripts: int


def inspect(path: Path, width_px: int) -> PageFindings:
    """Open a page, as a phone does where the window is narrow, and list what is wrong with it.

    Skips the test, with the reason, where there is no Chromium on the PATH.

    Args:
        path: An HTML file.
        width_px: Of the window.
    """
    with _open_tab() as tab:
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=_HEIGHT_PX,
            deviceScaleFactor=1,
            mobile=width_px < _PHONE_WIDTH_PX,  # else the page's own viewport tag is not heeded
        )
        url = path.resolve().as_uri()
        tab.call("Page.navigate", url=url)
        tab.wait_for("Page.loadEventFired")
        answer = tab.call("Runtime.evaluate", expression=_MEASURE, returnByValue=True)
        measured = answer["result"]["value"]
        events = tab.events
    return PageFindings(
        console_errors=tuple(_console_errors(events)),
        requests=tuple(
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
            and event["params"]["request"]["url"] != url
            and not event["params"]["request"]["url"].startswith("data:")
        ),
        overflow_px=max(0, measured["width"] - width_px),
        images_without_alt=tuple(measured["without_alt"]),
        broken_images=tuple(measured["broken"]),
        num_scripts=measured["scripts"],
    )


def print_to_pdf(path: Path) -> bytes:
    """Print a page, as `inspect` opens it; return the PDF file."""
    with _open_tab() as tab:
        tab.call("Page.enable")
        tab.call("Page.navigate", url=path.resolve().as_uri())
        tab.wait_for("Page.loadEventFired")
        return base64.b64decode(tab.call("Page.printToPDF", preferCSSPageSize=True)["data"])


def _console_errors(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        params = event["params"]
        if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            yield " ".join(str(argument.get("value")) for argument in params["args"])
        elif event["method"] == "Runtime.exceptionThrown":
            yield params["exceptionDetails"]["text"]
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
            yield params["entry"]["text"]


class _Tab:
    """One tab's connection; keeps every event that arrives on it."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._num_calls = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._num_calls += 1
        number = self._num_calls
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    def wait_for(self, method: str) -> None:
        while not any(event["method"] == method for event in self.events):
            self._receive()

    def _receive(self) -> dict[str, Any]:
        message = json.loads(self._connection.recv())
        if "method" in message:
            self.events.append(message)
        return message


@contextlib.contextmanager
def _open_tab() -> Iterator[_Tab]:
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium on the PATH: looked for {', '.join(_NAMES)}")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(program, "--headless=new", "--remote-debugging-port=0"),
                f"--user-data-dir={profile}",
                # Of our own pages only; its sandbox does not start as root, nor in a container.
                "--no-sandbox",
                *("--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
                *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = _read_address(process, Path(profile) / "DevToolsActivePort")
            with contextlib.closing(_connect(address)) as connection:
                browser = _Tab(connection)
                target = browser.call("Target.createTarget", url="about:blank")["targetId"]
                tab_address = f"{address.partition('/devtools/')[0]}/devtools/page/{target}"
                with contextlib.closing(_connect(tab_address)) as tab_connection:
                    yield _Tab(tab_connection)
                browser.call("Browser.close")
            process.wait(_TIMEOUT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _read_address(process: subprocess.Popen[bytes], port_file: Path) -> str:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"Chromium ended with status {process.returncode} at its start")
        lines = port_file.read_text().splitlines() if port_file.is_file() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise TimeoutError(f"Chromium wrote no {port_file.name} within {_TIMEOUT_S:g} s")


def _connect(address: str) -> websocket.WebSocket:
    # Chromium refuses a client that claims to be of a web page.
    return websocket.create_connection(
        address, timeout=_TIMEOUT_S, suppress_origin=True, http_no_proxy=["127.0.0.1"]
    )
