"""The fault table: what breaks, the exact exit code, the first line that is said, and what is on disk afterwards.

Faults are made, not mimicked: a real full disk, a real read-only folder, a process that kills itself at a named step.
Some stand elsewhere: NaN weights and a flagged picture (test_image_command, test_text_command), kills at random moments
(test_batch), signals, a closed stdout, a full one and escape sequences on a terminal (test_process).
"""

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from checkpoint_parts import zeroed
from conftest import COMMAND, Genai, RunMain

from genai_cli.store.running import NOTE

CLASSIFY = ["classify", "-m", "tiny", "--seed", "1"]
ONE = [*CLASSIFY, "great", "-o", "out/"]
THREE = [*CLASSIFY, "--prompts", "rows.txt", "-o", "out/"]
ROWS = ("one", "two", "three")
Break = Callable[[pytest.MonkeyPatch], None]


def pair(*names: str) -> set[str]:
    """Texts, and the records beside them."""
    return {f"{name}{ending}" for name in names for ending in ("", ".json")}


def tree(folder: Path) -> set[str]:
    """Every file and link below a folder, hidden ones too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def done_in(folder: Path) -> list[str]:
    """The prompts that the manifest calls done, whose files are there."""
    lines = (folder / "manifest.jsonl").read_bytes().splitlines()
    items = [json.loads(line) for line in lines if line.endswith(b"}") and b'"status": "done"' in line]
    assert all((folder / line["file"]).is_file() for line in items)
    return [line["prompt"] for line in items]


# Faults in the process of the tests


def no_fault(patch: pytest.MonkeyPatch) -> None:
    """Nothing breaks but what is on disk."""


def failing(name: str, when: Callable[..., bool], number: int) -> Break:
    """A call of the system fails with an error number whenever `when` holds of its arguments."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if when(*arguments):
                raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        patch.setattr(os, name, call)

    return break_it


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def is_manifest(descriptor: int) -> bool:
    return os.path.sameopenfile(descriptor, os.open("out/manifest.jsonl", os.O_RDONLY))


def is_output_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode) and Path("out/great-1.txt").exists()


def first_is_done(*_: Any) -> bool:
    """The manifest knows the first of three items."""
    path = Path("out/manifest.jsonl")
    return path.exists() and '"one"' in path.read_text()


def vanishing(patch: pytest.MonkeyPatch) -> None:
    """The folder goes away after the first item."""
    real = os.link

    def link(*arguments: Any) -> None:
        if first_is_done():
            shutil.rmtree("out")
        real(*arguments)

    patch.setattr(os, "link", link)


def rows(_: pytest.MonkeyPatch | None = None) -> None:
    Path("rows.txt").write_text("".join(f"{row}\n" for row in ROWS))


def both(*breaks: Break) -> Break:
    def break_all(patch: pytest.MonkeyPatch) -> None:
        for one in breaks:
            one(patch)

    return break_all


def torn_manifest(_: pytest.MonkeyPatch) -> None:
    rows()
    Path("out").mkdir()
    torn = b'{"genai": "0.1.0", "base_seed": 5}\n\xff\xfe{"key": 3}\n{"key": "0f", "status": "do'
    Path("out/manifest.jsonl").write_bytes(torn)


def link(name: str, target: str) -> Break:
    """A link in the output folder, and the file outside of it."""

    def make(_: pytest.MonkeyPatch) -> None:
        Path("out").mkdir()
        Path("outside").mkdir()
        Path("outside/mine.txt").write_text("mine")
        (Path("out") / name).symlink_to(target)

    return make


def linked_folder(_: pytest.MonkeyPatch) -> None:
    Path("real").mkdir()
    Path("out").symlink_to("real")


def a_file_in_the_way(_: pytest.MonkeyPatch) -> None:
    Path("out").write_text("mine")


@dataclass(frozen=True)
class Fault:
    """What is run, what breaks, and what must follow."""

    arguments: list[str]
    code: int
    line: str
    """The first line of stderr, `genai: ` and `error: ` included; "" where nothing is said."""
    left: set[str]
    """Every file below the current folder, but those of the fault itself."""
    fault: Break = no_fault
    done: list[str] | None = None
    """What the manifest calls done."""
    there: set[str] = field(default_factory=set)
    """What the fault put there, unchanged."""


FAULTS = {
    "a file cannot be synced": Fault(
        ONE,
        6,
        "genai: error: cannot write out/great-1.txt: Input/output error",
        set(),
        failing("fsync", is_file, errno.EIO),
    ),
    "a folder cannot be synced": Fault(
        ONE,
        6,
        "genai: error: cannot write out/great-1.txt: Input/output error",
        set(),
        failing("fsync", is_output_folder, errno.EIO),
    ),
    "a batch's file cannot be synced": Fault(
        THREE,
        6,
        "genai: error: cannot write out/two-1.txt: Input/output error",
        {"out/manifest.jsonl", *pair("out/one-1.txt")},
        both(rows, failing("fsync", lambda number: first_is_done() and not is_manifest(number), errno.EIO)),
        ["one"],
        {"rows.txt"},
    ),
    "a manifest cannot be synced": Fault(
        THREE,
        6,
        "genai: error: cannot write out/manifest.jsonl: Input/output error",
        {"out/manifest.jsonl", *pair("out/one-1.txt")},
        both(rows, failing("fsync", lambda number: Path("out/two-1.txt").exists() and is_manifest(number), errno.EIO)),
        ["one"],
        {"rows.txt"},
    ),
    "a manifest's line cannot be written": Fault(
        THREE,
        6,
        "genai: error: cannot write out/manifest.jsonl: No space left on device",
        {"out/manifest.jsonl", *pair("out/one-1.txt")},
        both(rows, failing("write", lambda _, data: b'"two"' in bytes(data) and first_is_done(), errno.ENOSPC)),
        ["one"],
        {"rows.txt"},
    ),
    "the folder vanishes": Fault(
        THREE,
        6,
        "genai: error: cannot write out/two-1.txt: No such file or directory",
        set(),
        both(rows, vanishing),
        there={"rows.txt"},
    ),
    "a file stands where the folder should be": Fault(
        ONE, 6, "genai: error: cannot write out: Not a directory", set(), a_file_in_the_way, there={"out"}
    ),
    "a torn manifest": Fault(
        THREE,
        0,
        "genai: 3 done",
        {"out/manifest.jsonl", *pair(*(f"out/{row}-1.txt" for row in ROWS))},
        torn_manifest,
        list(ROWS),
        {"rows.txt"},
    ),
    "a link of the name, to a file outside": Fault(
        ONE,
        0,
        "",
        pair("out/great-1-2.txt"),
        link("great-1.txt", "../outside/mine.txt"),
        there={"out/great-1.txt", "outside/mine.txt"},
    ),
    "a link of the name, to nothing": Fault(
        ONE,
        0,
        "",
        pair("out/great-1-2.txt"),
        link("great-1.txt", "../outside/none.txt"),
        there={"out/great-1.txt", "outside/mine.txt"},
    ),
    "a link of the file's own name": Fault(
        [*CLASSIFY, "great", "-o", "out/mine.txt"],
        0,
        "",
        pair("out/mine.txt"),
        link("mine.txt", "../outside/mine.txt"),
        there={"outside/mine.txt"},
    ),
    "a link that leads a template out": Fault(
        [*CLASSIFY, "great", "-o", "out/{slug}/x.txt"],
        6,
        "genai: error: cannot write out/great/x.txt: a link leads out of out",
        set(),
        link("great", "../outside"),
        there={"out/great", "outside/mine.txt"},
    ),
    "the folder itself is a link": Fault(ONE, 0, "", pair("real/great-1.txt"), linked_folder, there={"out"}),
    "a prompt that climbs": Fault(
        [*CLASSIFY, "../../x", "-o", "out/{id}-{slug}.txt"], 0, "", pair("out/{key}-x.txt"), no_fault
    ),
    "a prompt like an option": Fault([*CLASSIFY, "-o", "out/", "--", "-rf"], 0, "", pair("out/rf-1.txt")),
    "a prompt of emoji only": Fault([*CLASSIFY, "🦄🌈", "-o", "out/"], 0, "", pair("out/classify-1.txt")),
    "a prompt of 5 kB": Fault(
        [*CLASSIFY, "-q", "seventeen " * 500, "-o", "out/"],
        0,
        "",
        pair("out/seventeen-seventeen-seventeen-seventeen-seventeen-seventeen-1.txt"),
    ),
    "a template that reaches into Python": Fault(
        [*CLASSIFY, "great", "-o", "out/{x.__class__}.txt"],
        2,
        "genai: error: the template '{x.__class__}.txt' has an unknown field {x.__class__}",
        set(),
    ),
}


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_fault(run_main: RunMain, monkeypatch: pytest.MonkeyPatch, case: Fault) -> None:
    with monkeypatch.context() as patch:
        case.fault(patch)
        done = run_main(*case.arguments)
    assert (done.code, (done.stderr.splitlines() or [""])[0]) == (case.code, case.line), done.stderr
    key = next((path.name.partition("-")[0] for path in Path("out").glob("*-x.txt")), "")
    assert tree(Path()) == {name.format(key=key) for name in case.left} | case.there
    if case.done is not None:
        assert done_in(Path("out")) == case.done
    mine = Path("outside/mine.txt")
    assert not mine.exists() or mine.read_text() == "mine"
    if case.code == 6 and case.arguments is THREE:  # mended, the same command does the rest
        again = run_main(*case.arguments)
        assert again.code == 0, again.stderr
        assert sorted(done_in(Path("out"))) == sorted(ROWS)
        assert tree(Path("out")) == {"manifest.jsonl", *pair(*(f"{row}-1.txt" for row in ROWS))}


# Disks and folders that take nothing more


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB with one file on it, where mounting is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (disk / "earlier.txt").write_text("mine")
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk(run_main: RunMain, small_disk: Path, tiny_picture: list[str]) -> None:
    """Pictures of some 8 kB each until it is full: the batch stops, the earlier files are whole, and it goes on."""
    Path("rows.txt").write_text("".join(f"a red circle {number}\n" for number in range(20)))
    options = [*tiny_picture, "--prompts", "rows.txt", "-o", f"{small_disk}/"]
    (small_disk / "ballast").write_bytes(b"x" * 20_000)
    done = run_main(*options)
    assert done.code == 6
    first = next(line for line in done.stderr.splitlines() if "error" in line)
    assert first.startswith(f"genai: error: cannot write {small_disk}/")
    assert first.endswith(": No space left on device")
    made = done_in(small_disk)
    assert 0 < len(made) < 20
    kept = {path.name: path.read_bytes() for path in small_disk.glob("*.png")}
    assert len(kept) == len(made)
    assert tree(small_disk) == {"earlier.txt", "ballast", "manifest.jsonl", *kept}
    (small_disk / "ballast").unlink()
    assert run_main(*options, "--limit", "1").code == 0
    assert len(done_in(small_disk)) == len(made) + 1
    assert all((small_disk / name).read_bytes() == data for name, data in kept.items())


@pytest.fixture
def tiny_picture(stable_diffusion: Path) -> list[str]:
    return ["image", "-m", str(stable_diffusion), "--steps", "1", "--seed", "1", "--no-safety"]


def test_a_file_past_the_limit_of_its_size(genai: Genai, stable_diffusion: Path) -> None:
    """The disk that is full for one large file only: RLIMIT_FSIZE, as batch systems set it."""
    options = ["image", "a cat", "-m", stable_diffusion, "--steps", "1", "--no-safety", "--seed", "1", "-o", "out/"]
    process = genai.start(*options, preexec_fn=limit_file_size)
    stderr = process.communicate(timeout=240)[1].decode()
    assert process.returncode == 6, stderr
    assert "genai: error: cannot write out/a-cat-1.png: File too large" in stderr.splitlines()
    assert tree(genai.cwd) == set()


def limit_file_size() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_a_read_only_folder(run_main: RunMain, tmp_path: Path) -> None:
    """Found before any model is asked for; a batch's folder too."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    (folder / "earlier.txt").write_text("mine")
    rows()
    if os.getuid() == 0:
        mounts = [["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder]]
        if any(subprocess.run(mount, capture_output=True).returncode for mount in mounts):
            pytest.skip("mounting is not allowed here")
    else:
        folder.chmod(0o555)
    try:
        for given in (["a cat"], ["--prompts", "rows.txt"]):
            done = run_main("image", *given, "-m", "owner/never-asked-for", "-o", f"{folder}/")
            reason = os.strerror(errno.EROFS if os.getuid() == 0 else errno.EACCES)
            assert (done.code, done.stderr.splitlines()[0]) == (6, f"genai: error: cannot write {folder}: {reason}")
        assert tree(folder) == {"earlier.txt"}
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", folder], check=True)


def test_two_runs_in_one_folder(run_main: RunMain) -> None:
    from filelock import FileLock

    rows()
    Path("out").mkdir()
    with FileLock("out/.all.genai-lock"):
        done = run_main(*THREE)
        assert (done.code, done.stderr.splitlines()[0]) == (6, "genai: error: another run is filling out")
        assert tree(Path("out")) == {".all.genai-lock"}
    assert run_main(*THREE).code == 0


# Kills


BATCH_LEFT = (".all.genai-lock", ".all.genai-next", "{part}", "{note}")
KILL = """
import os, signal
real, calls = os.{name}, 0
def call(*arguments, **options):
    global calls
    calls += 1
    if calls == {number}:
        if {after}:
            real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
os.{name} = call
"""


@pytest.mark.parametrize(
    ("arguments", "at", "left", "finally_left"),
    [
        # The command; the call at which it dies; what it leaves, {part} for temporary files; what the next run leaves.
        pytest.param(
            ONE, ("link", 1, False), {"{part}"}, pair("great-1.txt"), id="between temporary and final name, new"
        ),
        pytest.param(
            [*CLASSIFY, "great", "-o", "out/mine.txt"],
            ("replace", 1, False),
            {"mine.txt", "{part}"},
            pair("mine.txt"),
            id="between temporary and final name, in place of an old one",
        ),
        pytest.param(
            THREE,
            ("link", 3, False),
            {"manifest.jsonl", *pair("one-1.txt"), *BATCH_LEFT},
            {"manifest.jsonl", *pair(*(f"{row}-1.txt" for row in ROWS))},
            id="of a batch, between temporary and final name",
        ),
        pytest.param(
            THREE,
            ("link", 3, True),
            {
                "manifest.jsonl",
                *pair("one-1.txt"),
                "two-1.txt",
                ".all.genai-lock",
                ".all.genai-next",
                "{part}",
                "{note}",
            },
            {"manifest.jsonl", *pair(*(f"{row}-1.txt" for row in ROWS))},
            id="of a batch, between final name and manifest",
        ),
    ],
)
def test_killed(
    genai: Genai,
    run_main: RunMain,
    tmp_path: Path,
    arguments: list[str],
    at: tuple[str, int, bool],
    left: set[str],
    finally_left: set[str],
) -> None:
    name, number, after = at
    (tmp_path / "sitecustomize.py").write_text(KILL.format(name=name, number=number, after=after))
    rows()
    out = genai.cwd / "out"
    if "mine.txt" in left:
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    done = genai(*arguments, env={"PYTHONPATH": str(tmp_path)})
    assert done.code == -signal.SIGKILL, done.stderr
    parts = {path.name for path in out.glob(".*.genai-part")}
    assert parts
    notes = {path.name for path in out.glob(f".*{NOTE}")}
    assert len(notes) == ("{note}" in left)
    assert tree(out) == {name for name in left if name not in ("{part}", "{note}")} | parts | notes
    if "mine.txt" in left:
        assert (out / "mine.txt").read_text() == "mine"
    again = run_main(*arguments)
    assert again.code == 0, again.stderr
    assert tree(out) == finally_left


def test_what_others_are_writing_is_not_swept(run_main: RunMain) -> None:
    from genai_cli.atomic import make_host_tag

    Path("out").mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    young = {f".{make_host_tag()}-{os.getpid()}-1.genai-part", ".0badcafe-1-1.genai-part", ".all-1.genai-part"}
    dead = {f".{make_host_tag()}-{gone.pid}-1.genai-part"}
    old = {".0badcafe-2-1.genai-part"}
    for name in young | dead | old:
        Path("out", name).write_text("part")
    os.utime(Path("out", *old), (0, 0))
    run_main(*ONE)
    assert tree(Path("out")) == young | pair("great-1.txt")


def test_head_takes_one_byte(genai: Genai) -> None:
    command = f'"{COMMAND}" text "It was" -m tiny --seed 1 --max-new-tokens 200 | head -c1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], cwd=genai.cwd, capture_output=True, text=True, timeout=240)
    assert (done.stdout, done.stderr) == ("I141\n", "")


# Results that are not fit to keep


def test_a_black_picture(run_main: RunMain, stable_diffusion: Path, tmp_path: Path) -> None:
    folder = zeroed(stable_diffusion, tmp_path / "black", "vae/*.safetensors", r"decoder\.conv_out\..*")
    done = run_main("image", "a cat", "-m", folder, "--steps", "1", "--no-safety", "-o", "out/")
    assert (done.code, done.stderr.splitlines()[0]) == (8, "genai: error: the picture is a single colour")
    assert tree(Path()) == set()


def test_a_silent_sound(run_main: RunMain, musicgen: Path, tmp_path: Path) -> None:
    folder = zeroed(
        musicgen, tmp_path / "silent", "*.safetensors", r"audio_encoder\.decoder\..*(original0|weight_g|bias)"
    )
    done = run_main("audio", "rock", "-q", "-m", folder, "--duration", "0.5", "-o", "out/")
    assert (done.code, done.stderr.splitlines()[0]) == (8, "genai: error: the sound is silent")
    assert tree(Path()) == set()


def test_an_empty_text(run_main: RunMain, gpt2: Path) -> None:
    options = ["text", "It was", "-m", gpt2, "--max-new-tokens", "4", "--temperature", "0", "-o", "out/"]
    first = json.loads(run_main(*options, "--no-echo", "--json", "--seed", "1").stdout)["text"][0]
    shutil.rmtree("out")
    done = run_main(*options, "--stop", first)
    assert (done.code, done.stderr.splitlines()[0]) == (8, "genai: error: the model added no text")
    assert tree(Path()) == set()
