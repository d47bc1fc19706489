"""What lies on the disk for the keeper: the vault, the keys that open it, and where both are."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from evergrant.clock import Clock
    from evergrant.config import Config

MOUNTS: Final = Path("/proc/self/mountinfo")
ELSEWHERE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs", "lustre", "ocfs2"}
)
CHECK_SECONDS: Final = 10.0


def vault(config: Config, path: Path, key: Path, clock: Clock) -> Iterator[Finding]:
    """Judge the file of the vault and the file of its keys."""
    yield from _readable(path)
    yield _file_system(path)
    yield from keys(config, path, key)
    yield from _whole(path, clock)


def _readable(path: Path) -> Iterator[Finding]:
    mode, folder = stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)
    if mode & 0o077 and folder & 0o077:
        yield warn(
            "vault",
            f"others may read {path} (mode {mode:04o})",
            "without the key no token can be read in it, but it says whose accounts are connected where",
            f"run: chmod 600 {path}",
        )
    else:
        yield ok("vault", f"only its owner may read {path}")


def _file_system(path: Path) -> Finding:
    kind = _kind(path)
    if kind in ELSEWHERE:
        return fail(
            "vault place",
            f"{path} is on a network file system ({kind})",
            "locks of other hosts are not seen there: two may spend one refresh token, and the file may be lost",
            "move it to a local disk, and keep one host for each vault",
        )
    return ok("vault place", f"on a local file system{f' ({kind})' if kind else ''}")


def _kind(path: Path) -> str:
    """The type of the file system that *path* is on; empty where the system does not tell."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    where, found = str(path.resolve()), ("", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = before.split(" ")[4].replace("\\040", " ")
        if where == mounted or where.startswith(mounted.rstrip("/") + "/"):
            found = max(found, (mounted, after.split(" ")[0]), key=lambda one: len(one[0]))
    return found[1]


def keys(config: Config, path: Path | None, key: Path) -> Iterator[Finding]:
    """Judge where the keys are; *path*: the file that they must not lie beside."""
    if config.keeper.keyring:
        yield ok("vault key", f"in the operating system's keyring, under {config.keeper.keyring}")
    elif config.keeper.keys:
        yield ok("vault key", "from the configuration or the environment")
    elif not key.exists():
        yield fail(
            "vault key",
            f"{key} is not there",
            "nobody can read a token in the vault",
            "put it back, from its own backup",
        )
    elif (mode := stat.S_IMODE(key.stat().st_mode)) & 0o077:
        yield fail(
            "vault key", f"others may read {key} (mode {mode:04o})", "with it they read every token of a copy",
            f"run: chmod 600 {key}, and turn the key: evergrant keeper key rotate",
        )  # fmt: skip
    elif path is not None and key.resolve().parent == path.resolve().parent:
        yield warn(
            "vault key",
            f"it lies beside the vault, in {key}",
            "a copy of the folder, a backup or a disk image holds both, and with both every token can be read",
            "move it to where secrets are kept, and name it: keeper.keys_file",
        )
    else:
        yield ok("vault key", f"in {key}")


def _whole(path: Path, clock: Clock) -> Iterator[Finding]:
    from evergrant.store.port import StoreUnusable
    from evergrant.store.sqlite.examine import examine

    try:
        examined = examine(path, clock.monotonic, CHECK_SECONDS)
    except StoreUnusable as error:
        yield fail("vault file", str(error), "the keeper cannot work with it", "restore it from a backup")
        return
    if examined.whole is False:
        yield fail(
            "vault file",
            f"damaged: {'; '.join(examined.problems)}",
            "what is damaged cannot be trusted, and gets worse",
            "stop the keeper, keep a copy, and restore the last good backup; then look at what needs_reauth says",
        )
    else:
        yield ok(
            "vault file", "whole" if examined.whole else f"no damage in what could be read in {CHECK_SECONDS:.0f} s"
        )
