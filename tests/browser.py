"""Pages in headless Chromium: they write no line to the console and fetch nothing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--virtual-time-budget=20000", "--enable-logging=stderr", "--hide-scrollbars",
]  # fmt: skip
OWN = ("google.com", "googleapis.com")  # hosts that Chromium itself looks for, whatever is opened
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")


def browse(folder: Path, address: str, *arguments: str) -> str:
    """Open a page, and return what Chromium prints; the page may write no line to the console, and fetch nothing."""
    log = folder / "net.json"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", *arguments, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    hosts = set(re.findall(r'"url":"(?:https?|wss?|ftp)://([^/":]*)', log.read_text(errors="replace")))
    assert not {host for host in hosts if not host.endswith(OWN)}
    return done.stdout


def measure_width(page: Path, width: int) -> int:
    """Return how many pixels the content of a page needs in a window of a width, pixels."""
    return measure(page, width, "document.documentElement.scrollWidth")


def measure(page: Path, width: int, number: str) -> int:
    """Return the value of an expression, a whole number, in a page in a window of a width, pixels."""
    probe = f"<script>setTimeout(() => parent.postMessage({number}, '*'), 3000)</script></body>"
    page.with_name("probed.html").write_text(page.read_text().replace("</body>", probe))
    frame = page.with_name("frame.html")
    frame.write_text(
        "<script>onmessage = message => document.body.dataset.number = message.data</script>"
        f'<iframe src="probed.html" style="width:{width}px;height:900px;border:0"></iframe>'
    )
    found = re.search(r'data-number="(\d+)"', browse(page.parent, frame.as_uri(), "--dump-dom"))
    assert found is not None
    return int(found[1])
