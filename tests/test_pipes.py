"""Records as rows: what `--json` writes, the next command takes, and `show --lineage` tells afterwards."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Genai, RunMain
from gallery_folder import fill_folder, make_record

EXAMPLE = Path(__file__).parent.parent / "examples" / "tint"
TEXT = ["text", "It was", "-m", "tiny", "--max-new-tokens", "4", "--seed", "3", "--json"]


def write_line(**fields: object) -> str:
    return json.dumps(make_record("a") | {"id": "k", "key": "k", "file": None, "status": "done"} | fields) + "\n"


def test_a_text_becomes_the_next_one_s_prompt(run_main: RunMain) -> None:
    first = run_main(*TEXT)
    text = json.loads(first.stdout)["text"]
    for arguments in (["-"], ["--prompts", "-"]):
        second = run_main("classify", *arguments, "-m", "tiny", "--json", stdin=first.stdout)
        assert json.loads(second.stdout)["prompt"] == text, second.stderr
    line = write_line(text="good\nfilm", id="mine")
    done = run_main("classify", "-", "-m", "tiny", "--json", stdin=line + line.replace("mine", "other"))
    assert [json.loads(one)["id"] for one in done.lines] == ["mine", "other"]
    assert json.loads(done.lines[0])["prompt"] == "good\nfilm"


def test_rows_that_cannot_go_on(run_main: RunMain) -> None:
    failed = write_line(status="failed", error="the picture is a single colour")
    picture = write_line()
    for lines, words in (
        (failed, "the row's own result failed: the picture is a single colour"),
        (picture, "the result of genai image has no text, and genai classify takes one as its prompt"),
    ):
        done = run_main("classify", "-", "-m", "tiny", stdin=lines)
        assert (done.code, done.stdout) == (2, "")
        assert words in done.stderr
    done = run_main("classify", "-", "-m", "tiny", "--skip-bad", stdin=failed + write_line(text="good"))
    assert (done.code, len(done.lines)) == (0, 1)


def test_other_json_and_plain_lines_are_prompts(run_main: RunMain) -> None:
    done = run_main("classify", "-", "-m", "tiny", "--json", stdin='{"genau": 1}\ngood\n')
    assert [json.loads(line)["prompt"] for line in done.lines] == ['{"genau": 1}', "good"]


def test_a_picture_becomes_the_next_one_s_input(genai: Genai, tmp_path: Path) -> None:
    """With examples/tint, whose subject is a picture; the lineage is then told both ways."""
    site = shutil.copytree(EXAMPLE, tmp_path / "site")
    metadata = site / "genai_tint-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: genai-tint\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[genai.modalities]\ntint = genai_tint:Tint\n")
    env = {"PYTHONPATH": str(site)}
    circle = Path(__file__).parent / "golden" / "files" / "circle.png"
    shutil.copy(circle, genai.cwd)
    line = write_line(file="circle.png")
    tinted = genai("tint", "-", "--colour", "blue", "--json", stdin=line, env=env)
    assert tinted.code == 0, tinted.stderr
    record = json.loads(tinted.stdout)
    assert record["inputs"]["picture"]["name"] == "circle.png"
    down = genai("show", "circle.png", "--lineage").stdout.splitlines()
    assert down[0] == "circle.png (image, tiny): a large red circle on a blue background"
    assert down[1:] == [f"  made into {record['file']} (tint, tiny)"]
    up = genai("show", record["file"], "--lineage").stdout.splitlines()
    assert up == [f"{record['file']} (tint, tiny)", f"  made from {down[0]}"]
    stated = json.loads(genai("show", record["file"], "--lineage", "--json").stdout)
    assert [source["file"] for source in stated["made_from"]] == ["circle.png"] and not stated["missing"]
    (genai.cwd / "circle.png").unlink()
    (gone,) = genai("show", record["file"], "--lineage").stdout.splitlines()[1:]
    assert gone.startswith("  made from circle.png (sha256 ") and gone.endswith("..., not at hand)")


def test_the_lineage_of_a_text_and_of_an_original(run_main: RunMain) -> None:
    folder = fill_folder(Path("out"))
    shown = run_main("show", folder / "photo.jpg", "--lineage")
    assert shown.lines[0] == "photo.jpg (not made by genai)"
    assert [line.split()[2] for line in shown.lines[1:]] == ["tinted-1.png", "tinted-2.png"]
    run_main("text", "It was", "-m", "tiny", "--max-new-tokens", "4", "--seed", "3", "-o", "one.txt")
    record = json.loads(Path("one.txt.json").read_text())
    run_main("text", record["text"], "-m", "tiny", "--max-new-tokens", "4", "-o", "two.txt")
    assert "  made from one.txt (text, tiny): It was" in run_main("show", "two.txt", "--lineage").lines


@pytest.mark.parametrize("name", ["none.png", "plain.png"])
def test_a_file_without_a_lineage(run_main: RunMain, name: str) -> None:
    Path("plain.png").write_bytes(b"no picture")
    done = run_main("show", name, "--lineage")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("genai: error: ")
