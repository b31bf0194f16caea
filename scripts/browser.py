#!/usr/bin/env python3
"""Opens a sweep in TensorBoard, and its report, in a headless Chromium and checks what is on the pages; see
scripts/test-browser.

    scripts/browser.py results/SWEEP SCREENSHOTS

Speaks the WebDriver protocol to chromedriver. Exit status: 0 all is there, 1 something is missing.
"""

import argparse
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from check_tensorboard import Server, find_runs, package, rows_of_sweeps
from programs import free_port

START_SECONDS = 20  # Time within which chromedriver must answer.
PATIENCE_SECONDS = 180  # Time within which a page must show its content.
WINDOW = (1500, 1000)
LARGEST_SCREENSHOT = 300_000

# TensorBoard's pages nest shadow trees and frames: both are searched.
JAVASCRIPT = """
const found = [];
const visit = (node) => {
  found.push(node);
  if (node.shadowRoot) visit(node.shadowRoot);
  if (node.tagName === 'IFRAME' && node.contentDocument) visit(node.contentDocument);
  for (const child of node.childNodes) visit(child);
};
visit(document);
const shown = (node) => node.getClientRects && node.getClientRects().length > 0;
"""
TEXT = """
return found.filter((n) => n.nodeType === 3 && n.parentElement && shown(n.parentElement)
  && !['STYLE', 'SCRIPT'].includes(n.parentElement.tagName)).map((n) => n.data.trim()).filter((t) => t).join('\\n');
"""
IMAGES = """
return found.filter((n) => n.tagName === 'IMG' && shown(n) && n.complete)
  .map((n) => [n.naturalWidth, n.naturalHeight, n.getBoundingClientRect().width]);
"""
CHARTS = "return found.filter((n) => ['CANVAS', 'SVG', 'svg'].includes(n.tagName) && shown(n)).length;"
CLICK = """
const node = found.find((n) => n.nodeType === 3 && n.data.trim() === arguments[0] && shown(n.parentElement));
if (node) node.parentElement.click();
return Boolean(node);
"""


class Browser:
    """A headless Chromium, for the length of a `with`."""

    def __enter__(self):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.profile = tempfile.TemporaryDirectory()
        command = [shutil.which("chromedriver"), f"--port={port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        arguments = ["--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader", "--hide-scrollbars"]
        arguments += [f"--window-size={WINDOW[0]},{WINDOW[1]}", f"--user-data-dir={self.profile.name}"]
        options = {"binary": shutil.which("chromium"), "args": arguments}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        try:
            session = self.begin_session(wanted)
        except BaseException:
            # __exit__ is not called if __enter__ fails.
            self.end()
            raise
        self.version = session["capabilities"]["browserVersion"]
        self.path = f"/session/{session['sessionId']}"
        return self

    def __exit__(self, *_):
        try:
            self.send("DELETE", self.path)
        finally:
            self.end()

    def begin_session(self, wanted):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.send("POST", "/session", wanted)
            except urllib.error.HTTPError as error:
                sys.exit(f"chromedriver begins no session: {error.read().decode(errors='replace')}")
            except urllib.error.URLError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"chromedriver does not answer: {error.reason}")
                time.sleep(0.2)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.profile.cleanup()

    def send(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        # The pages differ in what follows the sign #, for which no browser loads anew.
        for address in ("about:blank", url):
            self.send("POST", f"{self.path}/url", {"url": address})

    def run(self, script, *arguments):
        return self.send("POST", f"{self.path}/execute/sync", {"script": JAVASCRIPT + script, "args": arguments})

    def show_as(self, width, dark):
        """Sets the width of the window, and whether pages are dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        size = {"width": width, "height": WINDOW[1], "deviceScaleFactor": 1, "mobile": False}
        for command, parameters in [
            ("Emulation.setEmulatedMedia", {"features": [scheme]}),
            ("Emulation.setDeviceMetricsOverride", size),
        ]:
            self.send("POST", f"{self.path}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self):
        return base64.b64decode(self.send("GET", f"{self.path}/screenshot"))


class Pages:
    """Checks one page after another and collects the faults."""

    def __init__(self, browser, server, screenshots):
        self.browser, self.server, self.screenshots, self.wrong = browser, server, screenshots, []

    def see(self, name, words, charts=0, images=None, query="", click=(), page=None):
        """Opens a page, clicks on the words `click`, and waits until `words`, `charts` charts and pictures that
        `images` accepts are on it."""
        self.browser.open(f"{self.server.url}/?darkMode=false{query}#{page or name}")
        deadline = time.monotonic() + PATIENCE_SECONDS
        clicks = list(click)
        while True:
            time.sleep(1)
            missing = self.missing(words, charts, images, clicks)
            if not missing or time.monotonic() > deadline:
                break
        time.sleep(3)  # animations
        path = self.screenshots / f"{name}.png"
        path.write_bytes(self.browser.screenshot())
        if path.stat().st_size > LARGEST_SCREENSHOT:
            missing.append(f"a screenshot below {LARGEST_SCREENSHOT} bytes")
        print(f"{'ok' if not missing else 'MISSING'}: {name}: {', '.join(missing or words)}")
        self.wrong += missing

    def missing(self, words, charts, images, clicks):
        """Returns what is not on the page at this moment. Removes a click that succeeds from `clicks`."""
        try:
            if clicks and self.browser.run(CLICK, clicks[0]):
                return [f"what a click on {clicks.pop(0)} shows"]
            text, drawn = self.browser.run(TEXT), self.browser.run(CHARTS)
            pictures = self.browser.run(IMAGES)
        except urllib.error.HTTPError:
            return ["a page that does not change while it is read"]
        # Long words may be cut into several elements.
        missing = [word for word in words if word not in text and word not in text.replace("\n", "")] + clicks
        if drawn < charts:
            missing.append(f"{charts} charts (there are {drawn})")
        if images and (complaint := images(pictures)):
            missing.append(complaint)
        return missing


# State of the table after the report's script: rows shown, the first column with results before and after a click on
# its heading, rows left by a filter, and columns of the two rows side by side.
REPORT = """
const table = document.querySelector('table.results');
const rows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const column = [...table.tHead.rows[0].cells].findLastIndex((cell) => cell.classList.contains('number'));
const values = () => rows().map((row) => parseFloat(row.cells[column].textContent)).filter((value) => !isNaN(value));
const said = { rows: rows().length, wide: document.documentElement.scrollWidth };
const button = table.tHead.rows[0].cells[column].querySelector('button');
button.click();
said.down = values();
button.click();
said.up = values();
const find = document.querySelector('.controls input');
find.value = rows()[0].dataset.row.split(/[ ,]+/)[0];
find.oninput();
said.found = rows().length;
find.value = '';
find.oninput();
said.pair = document.querySelectorAll('#pair tbody tr').length;
said.letters = Math.min(...[...document.querySelectorAll('figure svg')].filter((svg) => svg.clientWidth && !svg.closest('.maps'))
  .map((svg) => 12 * svg.clientWidth / svg.viewBox.baseVal.width));
return said;
"""


def see_report(browser, page, screenshots):
    """Opens a report on a desktop screen and on a phone's, light and dark, and uses its table. Returns the
    faults."""
    wrong = []
    for width in (1280, 400):
        for dark in (False, True):
            browser.show_as(width, dark)
            browser.open(page.resolve().as_uri())
            said = browser.run(REPORT)
            if said["wide"] > width:
                wrong.append(f"the report is {said['wide']} pixels wide on a screen of {width}")
            if said["down"] != sorted(said["down"], reverse=True) or said["up"] != sorted(said["up"]):
                wrong.append(f"the report's table is not sorted: {said['down']}, {said['up']}")
            if not (1 <= said["found"] <= said["rows"]) or (said["rows"] > 1 and not said["pair"]):
                wrong.append(f"the report's table is not filtered, or rows are not side by side: {said}")
            if said["letters"] < 9:
                wrong.append(f"letters of {said['letters']:.1f} pixels in the report's figures on a screen of {width}")
            name = f"report-{width}{'-dark' if dark else ''}.png"
            (screenshots / name).write_bytes(browser.screenshot())
    print(f"{'ok' if not wrong else 'MISSING'}: report: {', '.join(wrong or [str(said['rows']) + ' rows'])}")
    return wrong


def readable(count):
    """Returns a check for at least `count` pictures that are shown as large as they were drawn."""

    def complaint(pictures):
        fitting = [width for width, height, shown in pictures if width >= 200 and height >= 200 and shown >= 0.95 * width]
        return "" if len(fitting) >= count else f"{count} pictures in their own size (there are {pictures})"

    return complaint


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=pathlib.Path)
    parser.add_argument("screenshots", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.screenshots.mkdir(parents=True, exist_ok=True)
    runs = find_runs(arguments.sweep)
    rows = [row.name for row in rows_of_sweeps(runs)]
    if not rows:
        parser.error(f"{arguments.sweep}: no finished run of a sweep")
    first = next(name for name in runs if name.startswith(rows[0] + "/"))
    with Server(arguments.sweep, True) as server, Browser() as browser:
        print(f"{package('tensorboard')}, Chromium {browser.version}")
        for _ in range(PATIENCE_SECONDS):
            try:
                if len(server.ask("runs")) > len(runs):
                    break
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(1)
        pages = Pages(browser, server, arguments.screenshots)
        # A sweep of one seed has no means.
        means = [f"{row}/mean" for row in rows if (arguments.sweep / row / "mean").exists()]
        curves = "&smoothing=0&tagFilter=%5E" + "(dev%2Fperplexity%7Ctrain%2Floss)%24"
        pages.see("scalars", [*runs, *means, "dev/perplexity"], charts=2, page="timeseries", query=curves)
        pages.see("hparams", ["test BLEU", "Trial ID", *rows])
        parallel = ["PARALLEL COORDINATES VIEW"]
        pages.see("parallel-coordinates", ["test BLEU"], charts=1, page="hparams", click=parallel)
        every = "every seed" if means else "every row"
        pages.see("custom-scalars", [every, "dev perplexity", "dev BLEU"], charts=3, page="custom_scalars")
        maps = ["view: encoder attention", "layer 1", first]
        pages.see("images", maps, images=readable(1), click=["Show actual image size"])
        pages.see("text", ["comparison/table", "dev/samples", "translation", "reference"])
        pages.see("histograms", ["weights"], charts=1)
        pages.see("projector", ["Points:", "Dimension:"], charts=1)
        report = arguments.sweep / "report.html"
        wrong = pages.wrong + (see_report(browser, report, arguments.screenshots) if report.exists() else [])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
