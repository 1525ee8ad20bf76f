"""The gallery of a folder over HTTP: the page is made again when the folder has changed; its files lie beside it."""

import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from genai_cli.errors import GenaiError, InputError
from genai_cli.gallery.building import DEFAULT_NAME, prepare_page, stamp_folder

BREATHER = 5  # a page that took a second to make is not made again for so many


class AwayError(GenaiError):
    """The folder is not there now, or cannot be read; it may come back."""


@dataclass(frozen=True)
class Shown:
    """A page as it was made, its tag (RFC 9110, section 8.8.3), and the files that it names by their addresses."""

    html: bytes
    tag: str
    files: dict[str, Path]


class LiveGallery:
    """The page of a folder, made when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where there is no such folder."""
        if not folder.is_dir():
            raise InputError(f"--gallery {folder} is not a folder", hint="name the folder that results are written to")
        self.folder = folder
        self.lock = threading.Lock()
        self.stamp: object = None
        self.shown: Shown | None = None
        self.next_look = 0.0

    def show(self) -> Shown:
        """The page of the folder as it is, or as it was a little ago if it takes long to make. Raises AwayError."""
        with self.lock:
            if not self.folder.is_dir():
                self.next_look = 0.0  # it is looked at as soon as it is back
                raise AwayError("the folder of the gallery is not there")
            if self.shown is None or time.monotonic() >= self.next_look:
                try:
                    self.look()
                except (OSError, InputError):  # the folder went meanwhile; the error may hold a path
                    raise AwayError("the folder of the gallery cannot be read") from None
            assert self.shown is not None
            return self.shown

    def look(self) -> None:
        """Make the page again if the folder has changed. Raises OSError, InputError."""
        started = time.monotonic()
        stamp = stamp_folder(self.folder)
        if self.shown is not None and stamp == self.stamp:
            return
        tag = f'"{secrets.token_hex(16)}"'
        prepared = prepare_page(self.folder, self.folder / DEFAULT_NAME, live_tag=tag)
        files = {unquote(address.removeprefix("./")): file for address, file in prepared.files.items()}
        self.shown = Shown(b"".join(prepared.pieces), tag, files)
        self.stamp = stamp
        self.next_look = time.monotonic() + BREATHER * (time.monotonic() - started)

    def find(self, name: str) -> Path | None:
        """The file of an address on the page; nothing else of the folder is served. Raises AwayError."""
        file = self.show().files.get(name)
        return file if file is not None and file.is_file() else None
