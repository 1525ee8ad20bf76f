"""genai gallery: what it finds in a folder, how it stays safe, and the commands that it writes. The page: below."""

import base64
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import Genai, RunMain
from gallery_folder import BREAKOUTS, GOLDEN, fill_folder, make_record, write_picture
from PIL import Image

from genai_cli.gallery.collecting import collect_items
from genai_cli.gallery.item import Item
from genai_cli.gallery.lineage import identify, relate
from genai_cli.gallery.remaking import build_command
from genai_cli.gallery.thumbnails import Thumbnails

BLOCK = re.compile(r'<script type="application/json" id="([a-z]+)(?:-\d+)?">(.*?)</script>', re.DOTALL)


def read_page(page: Path) -> dict[str, list[dict[str, object]]]:
    """What a page holds: its index, thumbnails and details."""
    found: dict[str, list[dict[str, object]]] = {"index": [], "thumbnails": [], "details": []}
    for name, text in BLOCK.findall(page.read_text()):
        found[name] += json.loads(text)
    return found


def test_a_folder_becomes_one_page(run_main: RunMain) -> None:
    folder = fill_folder(Path("out"))
    done = run_main("gallery", "out")
    assert (done.code, done.stdout) == (0, "out/gallery.html\n")
    assert "tint" in done.stderr and "failed" in done.stderr
    page = read_page(folder / "gallery.html")
    assert len(page["index"]) == len(page["thumbnails"]) == len(page["details"])
    by_file = {entry.get("f"): place for place, entry in enumerate(page["index"])}
    circle, piano, dark = (by_file[name] for name in ("circle.png", "piano.wav", "dark.txt"))
    small = Image.open(io.BytesIO(base64.b64decode(str(page["thumbnails"][circle]["picture"]))))
    assert small.size == Image.open(folder / "circle.png").size
    assert page["thumbnails"][circle]["size"] == list(small.size)
    peaks = page["thumbnails"][piano]["peaks"]
    assert isinstance(peaks, list) and len(peaks) == 96 and 0 < max(peaks) <= 99
    assert str(page["details"][dark]["words"]) == json.loads((folder / "dark.txt.json").read_text())["text"]
    assert page["details"][circle]["url"] == "./circle.png"
    failed = next(entry for entry in page["index"] if entry["p"] == "a failed cat")
    assert (failed["e"], failed["z"]) == ("the picture is a single colour", "failed")
    labels = next(entry for entry in page["index"] if entry["p"] == "what a film")
    assert labels["l"] == [["POSITIVE", 0.9]]


def test_nothing_outside_of_the_folder_is_shown(run_main: RunMain) -> None:
    folder = fill_folder(Path("out"))
    write_picture(Path("secret.png"), make_record("secret"))
    (folder / "link.png").symlink_to(Path("secret.png").absolute())
    assert run_main("gallery", "out").code == 0
    assert "elsewhere" not in (page := (folder / "gallery.html").read_text())
    assert '"secret' not in page


def test_the_page_refuses_what_is_not_its_own(run_main: RunMain) -> None:
    """The policy names the hashes of the page's script and style; nothing from a record leaves its block of JSON."""
    import hashlib

    folder = fill_folder(Path("out"))
    run_main("gallery", "out")
    page = (folder / "gallery.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1] and "unsafe" not in policy[1] and "http" not in policy[1]
    for tag in ("script", "style"):
        (own,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert digest.replace("+", "&#43;") in policy[1] or digest in policy[1]
    assert page.count("<script") == page.count("</script>") == 2 + len(BLOCK.findall(page)) - 1
    assert not any(text in page for text in BREAKOUTS if "<" in text)
    titles = [entry["p"] for entry in read_page(folder / "gallery.html")["index"]]
    assert all(titles.count(text) == 2 for text in BREAKOUTS)


def test_lineage_goes_both_ways(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "out")
    items = identify(collect_items(folder), Thumbnails(folder))
    relations = relate(items)
    photo = next(place for place, item in enumerate(items) if item.file and item.file.name == "photo.jpg")
    assert items[photo].status == "original"
    results = [items[place].file.name for place in relations[photo].results]  # type: ignore[union-attr]
    assert results == ["tinted-1.png", "tinted-2.png"]
    assert all(relations[place].sources == [photo] for place in relations[photo].results)


def test_thumbnails_are_made_once(run_main: RunMain, environment: Path) -> None:
    folder = fill_folder(Path("out"))
    run_main("gallery", "out")
    kept = {path: path.stat().st_mtime_ns for path in (environment / ".cache" / "genai").rglob("*.json")}
    assert len(kept) > 5
    first = (folder / "gallery.html").read_bytes()
    shutil.move(folder, "moved")
    run_main("gallery", "moved")
    assert read_page(Path("moved/gallery.html"))["thumbnails"]
    now = {path: path.stat().st_mtime_ns for path in kept}
    assert now == kept
    next(path for path in kept if "thumbnails" in path.parts).write_text("broken")
    run_main("gallery", "moved", "-o", "again.html")
    assert read_page(Path("again.html"))["thumbnails"] == read_page(Path("moved/gallery.html"))["thumbnails"]
    assert len(first) > 1000


def test_a_file_that_goes_meanwhile_is_a_result_that_cannot_be_shown(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "out")
    thumbnails = Thumbnails(folder)
    items = identify(collect_items(folder), thumbnails)
    shutil.rmtree(folder)
    problems = {made.problem for item, made in zip(items, thumbnails.make_all(items), strict=True) if item.sha256}
    assert "circle.png cannot be read: No such file or directory" in problems
    assert not any(str(tmp_path) in problem for problem in problems)


@pytest.mark.parametrize("name", ["circle.png", "dark.txt", "waste.txt", "piano.wav"])
def test_the_command_asks_for_the_same_again(run_main: RunMain, name: str) -> None:
    found = collect_items(GOLDEN / "files")
    (item,) = (item for item in found.items if item.file and item.file.name == name)
    command = build_command(item, item.file)
    assert command is not None and command.startswith(f"genai {item.task} -m tiny ")
    output = f"again{Path(name).suffix}"
    done = run_main(*shlex.split(command)[1:], "-o", output)
    assert done.code == 0, done.stderr
    (again,) = collect_items(Path()).items
    compared = ("prompt", "parameters", "model")  # digits of a result differ between processors
    assert [again.record[part] for part in compared] == [item.record[part] for part in compared]


def test_a_command_stays_one_command() -> None:
    for text in ("'; rm -rf ~ #", "$(reboot)", "--seed", "a\nb", "-o /tmp/x"):
        item = Item(make_record(text))
        words = shlex.split(str(build_command(item, None)))
        assert words[:2] == ["genai", "image"]
        assert words[-1] == text
        assert ("--" in words) == text.startswith("-")


def test_what_no_option_can_state_is_left_to_rerun() -> None:
    messages = [{"role": "user", "content": "hi"}]
    item = Item(make_record("Hello", task="text", parameters={"seed": 1, "messages": messages}))
    assert build_command(item, Path("a b.txt")) == "genai rerun -- 'a b.txt'"
    assert build_command(item, None) is None
    assert build_command(Item({"task": "image", "prompt": "failed"}), None) is None


def test_usage(run_main: RunMain) -> None:
    Path("empty").mkdir()
    for arguments, words in (
        (["none"], "does not exist"),
        (["empty"], "holds no results"),
        (["empty", "-o", "x.pdf"], "cannot write a gallery"),
    ):
        done = run_main("gallery", *arguments)
        assert (done.code, done.stdout) == (2, "")
        assert words in done.stderr and "hint: " in done.stderr
    shutil.copytree(GOLDEN / "files", "out")
    Path("out/gallery.html").write_text("mine")
    done = run_main("gallery", "out")
    assert (done.code, Path("out/gallery.html").read_text()) == (2, "mine")
    assert run_main("gallery", "out", "-o", "other.html").stdout == "other.html\n"
    as_json = json.loads(run_main("gallery", "out", "-o", "other.html", "--json").stdout)
    assert as_json["file"] == "other.html" and as_json["items"] == sum(as_json["tasks"].values())


# A batch that stops itself when it has noted that it runs, so that it cannot end before it is watched.
STOP = """
import os, signal
import genai_cli.store.running as running
note_run = running.note_run
def stop(folder, items):
    note = note_run(folder, items)
    os.kill(os.getpid(), signal.SIGSTOP)
    return note
running.note_run = stop
"""


def test_a_running_batch_is_followed_to_its_end(genai: Genai, tmp_path: Path) -> None:
    """The page shows how far the batch is while it runs, and all of it at the end."""
    rows = [{"task": "classify", "prompt": f"film {number} is good"} for number in range(8)]
    (genai.cwd / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sitecustomize.py").write_text(STOP)
    stopping = os.environ | {"PYTHONPATH": str(tmp_path)}
    batch = genai.start("batch", "rows.jsonl", "-m", "tiny", "-o", "out/", env=stopping)
    page = genai.cwd / "out" / "gallery.html"
    try:
        _, status = os.waitpid(batch.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        watch = genai.start("gallery", "out", "--watch")
        assert watch.stdout is not None
        assert watch.stdout.readline() == b"out/gallery.html\n"
        begun = page.read_text()
        batch.send_signal(signal.SIGCONT)
        _, said = watch.communicate()
    finally:
        batch.send_signal(signal.SIGCONT)
        batch.communicate()
    assert watch.returncode == 0, said
    assert "data-running" in begun and 'max="8"' in begun
    assert "data-running" not in page.read_text()
    assert [entry["t"] for entry in read_page(page)["index"]] == ["classify"] * 8
    assert not list(genai.cwd.glob("out/.*.genai-run"))


def test_open_uses_the_desktop_s_program(genai: Genai, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "files", genai.cwd / "out")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    done = genai("gallery", "out", "--open", env={"BROWSER": f"{browser} %s"})
    assert done.code == 0, done.stderr
    assert subprocess.run(["cat", tmp_path / "opened"], capture_output=True, text=True).stdout.startswith("file:///")
