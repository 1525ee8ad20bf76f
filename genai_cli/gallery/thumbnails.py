"""Small pictures and waveforms of files, made once: they are kept in the user's cache by the SHA-256 of the file."""

import base64
import json
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.content.picture import Picture
from genai_cli.content.sound_reading import open_own_rate
from genai_cli.content.sound_views import trace_peaks
from genai_cli.errors import GenaiError
from genai_cli.events import ignore
from genai_cli.gallery.item import PICTURE, SOUND, Item
from genai_cli.gallery.pruning import INDEXES, SLACK, THUMBNAILS, note_use, prune_sometimes
from genai_cli.request.input import HEAD, Input, tell_media_type
from genai_cli.store.json_lines import parse_object
from genai_cli.types import JsonObject

SIDE = 192  # pixels of the longer side
QUALITY = 60
PEAKS = 96  # bars of a waveform
VERSION = "2"  # of what the cache holds; another one is made again
MAX_INDEX = 64_000_000  # bytes


@dataclass(frozen=True)
class Thumbnail:
    """What a card shows of a file: a WebP with the size of the whole picture, or the peaks and the length of a sound.

    `problem` says why there is nothing to show.
    """

    picture: str = ""
    """Base64."""
    size: tuple[int, int] = (0, 0)
    peaks: tuple[int, ...] = ()
    """From 0 to 99."""
    seconds: float = 0.0
    problem: str = ""

    def fields(self) -> JsonObject:
        """What is kept of it."""
        return {"picture": self.picture, "size": self.size, "peaks": self.peaks, "seconds": self.seconds}


class Thumbnails:
    """Makes thumbnails and the hashes of files, and keeps both for the next time. Without a cache it works, too."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self.cache = cache or find_cache()
        name = Input.hold(os.fsencode(Path(os.path.realpath(folder))), "").sha256
        self.index_file = self.cache / INDEXES / f"{name}.json"
        self.index = read_index(self.index_file)
        """The size, time of change and SHA-256 of each file by its path."""
        self.seen: dict[str, list[object]] = {}
        self.lock = threading.Lock()
        self.added = 0  # bytes, since the cache was last looked at

    def hash_file(self, file: Path) -> str:
        """The SHA-256 of a file. Raises InputError."""
        path, status = str(file.absolute()), file.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        known = self.index.get(path)
        if isinstance(known, list) and known[:2] == stamp and len(known) == 3:
            self.seen[path] = known
        else:
            self.seen[path] = [*stamp, Input.read(file, file.name).sha256]
        return str(self.seen[path][2])

    def save(self) -> None:
        """Keep the hashes of the files that were asked for."""
        if self.seen != self.index:
            self.index = dict(self.seen)
            text = json.dumps(self.index, ensure_ascii=True)
            self.keep(self.index_file, text.encode())
        else:
            note_use(self.index_file)

    def keep(self, file: Path, data: bytes) -> None:
        """Write a file of the cache; where that is not possible, it is made again the next time."""
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(file, data, make_process_tag())
            with self.lock:
                self.added += len(data)

    def tidy(self) -> None:
        """Keep the cache small."""
        with self.lock:
            added, self.added = self.added, 0
        prune_sometimes(self.cache, added)

    def make_all(self, items: Iterable[Item]) -> Iterator[Thumbnail]:
        """A thumbnail for each item, in their order, made on all processors."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for thumbnail in pool.map(self.make, items):
                if self.added >= SLACK:
                    self.tidy()
                yield thumbnail
        self.tidy()

    def make(self, item: Item) -> Thumbnail:
        """The thumbnail of an item; an empty one where its file shows nothing."""
        if item.file is None or item.sha256 is None or item.kind not in (PICTURE, SOUND):
            return Thumbnail()
        kept = self.cache / THUMBNAILS / item.sha256[:2] / f"{item.sha256}-{VERSION}.json"
        try:
            found = read_thumbnail(kept)
            note_use(kept)
            return found
        except (OSError, ValueError, KeyError, TypeError):
            pass
        try:
            with item.file.open("rb") as stream:
                media_type = tell_media_type(stream.read(HEAD))
            source = Input(item.sha256, media_type, item.file.stat().st_size, item.file.name, item.file.absolute())
            made = shrink(source) if item.kind == PICTURE else outline(source)
        except GenaiError as error:
            return Thumbnail(problem=error.message)
        except OSError as error:  # it went while the page was made
            return Thumbnail(problem=f"{item.file.name} cannot be read: {error.strerror or error}")
        self.keep(kept, json.dumps(made.fields()).encode())
        return made


def find_cache() -> Path:
    """Where thumbnails are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("genai") / "gallery"


def read_index(file: Path) -> JsonObject:
    """The kept hashes; none where the file is missing or broken."""
    try:
        if file.stat().st_size > MAX_INDEX:
            return {}
        return parse_object(file.read_bytes()) or {}
    except OSError:
        return {}


def read_thumbnail(file: Path) -> Thumbnail:
    """A kept thumbnail. Raises OSError, ValueError, KeyError, TypeError."""
    kept = json.loads(file.read_bytes())
    base64.b64decode(kept["picture"], validate=True)
    width, height = map(int, kept["size"])
    return Thumbnail(kept["picture"], (width, height), tuple(map(int, kept["peaks"])), float(kept["seconds"]))


def shrink(source: Input) -> Thumbnail:
    """A picture in a small size. Raises InputError."""
    import io

    from PIL import Image

    image = Image.fromarray(Picture.read(source, ignore).pixels)
    size = image.size
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=QUALITY)
    return Thumbnail(base64.b64encode(stream.getvalue()).decode(), size)


def outline(source: Input) -> Thumbnail:
    """The waveform of a sound. Raises InputError."""
    with open_own_rate(source) as stream:
        peaks, seconds = trace_peaks(stream, PEAKS)
    return Thumbnail(peaks=tuple(min(99, round(peak * 99)) for peak in peaks), seconds=round(seconds, 2))
