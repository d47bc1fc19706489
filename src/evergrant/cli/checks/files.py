"""What lies on the disk: who may read it, whether there is room, whether the database is whole."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.clock import Clock

if TYPE_CHECKING:
    from evergrant.config import Config
    from evergrant.store.sqlite.examine import Examined

MIB: Final = 1024 * 1024
LEAST_FREE: Final = 64 * MIB
LITTLE_FREE: Final = 1024 * MIB
CHECK_SECONDS: Final = 10.0


def files(config: Config, database: Path, clock: Clock) -> Iterator[Finding]:
    """Judge the data directory and the database in it."""
    from evergrant.store.port import StoreUnusable
    from evergrant.store.sqlite.connection import check_library
    from evergrant.store.sqlite.examine import examine

    yield _key_place(config)
    yield from _modes(config, database)
    yield _space(config, database)
    try:
        check_library()
        examined = examine(database, clock.monotonic, CHECK_SECONDS)
    except StoreUnusable as error:
        yield fail("database", str(error), "the server cannot work with it", "restore it from a backup")
        return
    yield _library(examined)
    yield _whole(examined)


def _key_place(config: Config) -> Finding:
    from evergrant.keys.local import FILE_NAME

    if config.keys.key_encryption_key:
        return ok("key place", "the key-encryption key comes from the configuration or the environment")
    path = config.keys.key_encryption_key_file or config.store.data / FILE_NAME
    if path.resolve().parent == config.store.data.resolve():
        return warn(
            "key place",
            f"the key-encryption key lies beside the database, in {path}",
            "a copy of the folder, a backup or a disk image holds both, and with both the signing keys can be read",
            "move it to where secrets are kept: keys.key_encryption_key_file, or EVERGRANT_KEYS_KEY_ENCRYPTION_KEY",
        )
    return ok("key place", f"the key-encryption key is in {path}")


def _modes(config: Config, database: Path) -> Iterator[Finding]:
    folder = config.store.data
    folder_mode = stat.S_IMODE(folder.stat().st_mode)
    open_files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_mode & 0o077]
    if not folder_mode & 0o077:
        yield ok("modes", f"only its owner may enter {folder}")
    elif any(path.name.startswith(database.name) for path in open_files):
        yield fail(
            "modes",
            f"others may enter {folder} (mode {folder_mode:04o}) and read the database in it",
            "it holds email addresses, networks and devices, and digests of passwords that can be guessed",
            f"run: chmod 700 {folder}",
        )
    else:
        yield warn(
            "modes",
            f"others may enter {folder} (mode {folder_mode:04o})",
            "what is put there later may be readable",
            f"run: chmod 700 {folder}",
        )
    if folder.stat().st_uid != os.geteuid():
        yield warn(
            "owner",
            f"{folder} belongs to another user than the one who runs this",
            "files that this command makes there may be unreadable for the server",
            "run evergrant as the user the server runs as",
        )


def _space(config: Config, database: Path) -> Finding:
    free = shutil.disk_usage(config.store.data).free
    size = database.stat().st_size
    said = f"{_mib(free)} free, the database has {_mib(size)}"
    why = "on a full disk nothing can be issued, refreshed or ended; sign-ins and refreshes are answered with 503"
    todo = "make room, or move the data directory to a larger disk"
    if free < LEAST_FREE:
        return fail("disk", said, why, todo)
    if free < max(LITTLE_FREE, size // 10):
        return warn("disk", said, why, todo)
    return ok("disk", said)


def _library(examined: Examined) -> Finding:
    if examined.journal != "wal":
        return fail(
            "sqlite",
            f"SQLite {examined.version}, journal_mode {examined.journal}",
            "without write-ahead logging readers and the writer lock each other out",
            "put the data directory on a local file system",
        )
    return ok("sqlite", f"SQLite {examined.version}, write-ahead log of {_mib(examined.log_size)}, synchronous=FULL")


def _whole(examined: Examined) -> Finding:
    if examined.whole is None:
        return ok("database", f"no damage in what could be read in {CHECK_SECONDS:.0f} s")
    if examined.whole:
        return ok("database", "whole")
    return fail(
        "database",
        f"damaged: {'; '.join(examined.problems)}",
        "what is damaged cannot be trusted, and gets worse",
        "stop the server, keep a copy, and restore the last good backup",
    )


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB" if size < 1024 * MIB else f"{size / MIB / 1024:,.1f} GiB"
