"""The cache of the gallery's small pictures: how large and how old it gets, beside whom, and what stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import RunMain
from gallery_folder import make_record, write_picture

from genai_cli.atomic import make_host_tag
from genai_cli.gallery.building import build_page
from genai_cli.gallery.pruning import LOOKED, SECONDS, SLACK, THUMBNAILS, prune
from genai_cli.gallery.thumbnails import Thumbnails, find_cache

DAY = 86400.0
COLOURS = ("red", "green", "blue", "navy", "teal", "olive")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pictures that differ."""
    (tmp_path / "out").mkdir()
    for colour in COLOURS:
        write_picture(tmp_path / "out" / f"{colour}.png", make_record(colour), colour)
    return tmp_path / "out"


def build(folder: Path) -> bytes:
    """The page of a folder."""
    page = folder / "gallery.html"
    build_page(folder, page)
    return page.read_bytes()


def list_thumbnails() -> list[Path]:
    return sorted((find_cache() / THUMBNAILS).rglob("*.json"))


def age(file: Path, seconds: float) -> None:
    """Make a file look as if it was written and used so long ago."""
    then = time.time() - seconds
    os.utime(file, (then, then))


def test_what_was_not_used_for_longest_goes_first(folder: Path, tmp_path: Path) -> None:
    whole = build(folder)
    kept = list_thumbnails()
    assert len(kept) == len(COLOURS)
    for days, file in enumerate(kept, 2):
        age(file, days * DAY)
    (tmp_path / "other").mkdir()
    used = kept[-1]  # the oldest of them
    name = next(path for path in folder.glob("*.png") if Thumbnails(folder).hash_file(path) == used.name[:64])
    (tmp_path / "other" / name.name).write_bytes(name.read_bytes())
    build(tmp_path / "other")
    assert list_thumbnails() == kept
    indexes = sum(path.stat().st_size for path in (find_cache() / "folders").iterdir())
    prune(find_cache(), indexes + used.stat().st_size + kept[0].stat().st_size)
    assert list_thumbnails() == sorted([kept[0], used])
    prune(find_cache(), 0)
    assert not list_thumbnails()
    assert build(folder) == whole
    assert list_thumbnails() == kept


def test_what_is_too_old_goes_and_nothing_that_is_not_the_cache_s_own(
    run_main: RunMain, folder: Path, tmp_path: Path
) -> None:
    build(folder)
    old, *rest = list_thumbnails()
    (tmp_path / "mine").mkdir()
    mine = [old.with_name("notes.json"), old.with_name("x.txt"), tmp_path / "mine" / f"{'b' * 64}-1.json"]
    for file in mine:
        file.write_text("mine")
    (find_cache() / THUMBNAILS / "bb").symlink_to(tmp_path / "mine")
    left = old.with_name(f".{make_host_tag()}-{2**30}-0.genai-part")  # of a process that was killed
    left.write_text("torn")
    for file in (old, *mine):
        age(file, SECONDS + DAY)
    assert run_main("gallery", folder, "-o", "again.html").code == 0
    assert old.is_file()  # it was used just now
    age(old, SECONDS + DAY)
    (folder / "red.png").unlink()
    for path in folder.glob("*.png"):
        if Thumbnails(folder).hash_file(path) == old.name[:64]:
            path.unlink()
    age(find_cache() / LOOKED, 2 * DAY)
    assert run_main("gallery", folder, "-o", "again.html").code == 0
    assert not old.exists() and not left.exists()
    assert all(file.read_text() == "mine" for file in mine)
    assert set(rest) <= set(list_thumbnails())


def test_the_whole_cache_is_looked_at_once_a_day_or_when_much_was_added(folder: Path) -> None:
    build(folder)
    looked = find_cache() / LOOKED
    age(looked, DAY / 2)
    before = looked.stat().st_mtime_ns
    build(folder)
    assert looked.stat().st_mtime_ns == before
    thumbnails = Thumbnails(folder)
    thumbnails.added = SLACK
    thumbnails.tidy()
    assert looked.stat().st_mtime_ns > before and thumbnails.added == 0


def test_pages_stay_whole_while_other_processes_prune(folder: Path) -> None:
    whole = build(folder)
    code = "from genai_cli.gallery.pruning import prune\nfrom genai_cli.gallery.thumbnails import find_cache\n"
    code += "print(flush=True)\nwhile True: prune(find_cache(), 0)"
    pruners = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in pruners:
            assert process.stdout is not None and process.stdout.readline()
        for _ in range(20):
            assert build(folder) == whole
        assert all(process.poll() is None for process in pruners)
    finally:
        for process in pruners:
            process.kill()
            process.communicate()


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder: Path) -> None:
    whole = build(folder)
    find_cache().rename(find_cache().with_name("aside"))
    find_cache().write_text("a file in its place")
    assert build(folder) == whole
    assert find_cache().read_text() == "a file in its place"
