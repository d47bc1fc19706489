"""Tools outside Python that some tests drive, and what is said when one is missing.

A test says `@pytest.mark.needs("node")`. Where the tool is missing the test is skipped with the reason printed at the
end of the run; when CI=true nothing is skipped, and the missing tool is a failure.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NODE_PACKAGES: Final = ROOT / "tests" / "interop" / "node" / "node_modules"
OLDEST_NODE: Final = 20  # the newest release every interop peer still supports
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Missing(Exception):
    """A tool is not there; the text says which, and how to get it."""


@cache
def node() -> Path:
    """Node, of a release the peers run on."""
    found = shutil.which("node")
    if found is None:
        reason = "node is not installed"
        raise Missing(reason)
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    release = re.match(r"v(\d+)", said)
    if release is None or int(release.group(1)) < OLDEST_NODE:
        reason = f"node {said.strip() or 'of unknown release'} is older than {OLDEST_NODE}"
        raise Missing(reason)
    return Path(found)


@cache
def npm() -> Path:
    found = shutil.which("npm")
    if found is None:
        reason = "npm is not installed"
        raise Missing(reason)
    return Path(found)


@cache
def node_packages() -> Path:
    """The interop peers from the package registry, installed from their lock file."""
    node()
    if not NODE_PACKAGES.is_dir():
        reason = f"the node packages are not installed: npm ci in {NODE_PACKAGES.parent.relative_to(ROOT)}"
        raise Missing(reason)
    return NODE_PACKAGES


@cache
def chromium() -> Path:
    """A Chromium from the system; EVERGRANT_TEST_CHROMIUM names another."""
    named = os.environ.get("EVERGRANT_TEST_CHROMIUM")
    for name in (named,) if named else CHROMIUM_NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    reason = "chromium is not installed"
    raise Missing(reason)


def compiler() -> Path:
    """A C compiler, for what is loaded into a server to slow its disk down."""
    found = shutil.which("cc")
    if found is None:
        raise Missing("cc is not on PATH")
    return Path(found)


@cache
def mount() -> Path:
    """The right to mount file systems, which a container may lack even for root."""
    found = shutil.which("mount")
    if found is None or os.getuid() != 0:
        reason = "only root may mount"
        raise Missing(reason)
    with tempfile.TemporaryDirectory() as folder:
        bind = [found, "--bind", folder, folder]
        done = subprocess.run(bind, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            reason = done.stderr.strip() or "mounting is not allowed here"
            raise Missing(reason)
        subprocess.run(["umount", "--lazy", folder], capture_output=True, timeout=30, check=True)
    return Path(found)


@cache
def namespaces() -> Path:
    """The right to make network namespaces and cables between them."""
    found = shutil.which("ip")
    if found is None or os.getuid() != 0:
        raise Missing("only root may make network namespaces" if found else "ip is not on PATH")
    space = f"evergrant-probe-{os.getpid()}"
    cable = ("link", "add", "egrprobe", "type", "veth", "peer", "name", "egrprobe2", "netns", space)
    try:
        for words in (("netns", "add", space), cable):
            done = subprocess.run([found, *words], capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                raise Missing(done.stderr.strip() or "network namespaces are not allowed here")
    finally:
        subprocess.run([found, "netns", "delete", space], capture_output=True, timeout=30, check=False)
    return Path(found)


def root() -> Path:
    """The right to give files away."""
    if os.getuid() != 0:
        raise Missing("only root may give files to others")
    return Path("/")


@cache
def postgres() -> Path:
    """The folder of PostgreSQL's programs; Debian keeps the server's away from PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    for folder in [Path(on_path).resolve().parent] if on_path else folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    if os.environ.get("EVERGRANT_TEST_POSTGRES"):
        return Path()  # a server that somebody else runs needs no program here
    raise Missing("PostgreSQL's server is not installed")


@cache
def pgbouncer() -> Path:
    """The transaction pooler."""
    for name in ("pgbouncer", "/usr/sbin/pgbouncer"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise Missing("pgbouncer is not installed")


def curl() -> Path:
    """The program that pages tell people to ask an API with."""
    found = shutil.which("curl")
    if found is None:
        raise Missing("curl is not on PATH")
    return Path(found)


def systemd() -> Path:
    """What judges units; the service manager itself need not run."""
    found = shutil.which("systemd-analyze")
    if found is None:
        raise Missing("systemd-analyze is not on PATH")
    return Path(found)


PROBES: Final[dict[str, Callable[[], Path]]] = {
    "cc": compiler,
    "chromium": chromium,
    "curl": curl,
    "mount": mount,
    "namespaces": namespaces,
    "node": node,
    "node-packages": node_packages,
    "npm": npm,
    "root": root,
    "pgbouncer": pgbouncer,
    "postgres": postgres,
    "systemd": systemd,
}


def in_ci() -> bool:
    """Whether a missing tool is a failure rather than a skip."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def why_missing(tools: tuple[str, ...]) -> str | None:
    """The reason why a test that needs *tools* cannot run here, or None."""
    for tool in tools:
        if tool not in PROBES:
            known = ", ".join(sorted(PROBES))
            message = f"nobody knows how to look for {tool!r}; known are {known}"
            raise ValueError(message)
        try:
            PROBES[tool]()
        except Missing as absence:
            return f"needs {tool}: {absence}"
    return None
