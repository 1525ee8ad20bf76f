"""What an earlier version made stays valid: keys, batches that it began, and files that it wrote."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import RunMain
from PIL import Image
from readers import read_lines

from genai_cli.hub.reference import ModelReference
from genai_cli.modality.registry import list_requests
from genai_cli.request.rows import read_rows
from genai_cli.store.provenance import find_provenance
from genai_cli.work.job import expand
from genai_cli.work.orders import Defaults, Orders

GOLDEN = Path(__file__).parent / "golden"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BASE_SEED = 12345
# Made in float32, so that other processors make the same up to the last digits.
FLOAT32 = ("--dtype", "float32")


def parameters(path: Path) -> Any:
    record = find_provenance(path).record
    assert record is not None
    return record["parameters"]


def read_jobs() -> tuple[Orders, dict[tuple[str, str], ModelReference]]:
    """The orders of varied jobs, and what each of their models is taken for."""
    orders = Orders(read_rows([], str(GOLDEN / "jobs.jsonl"), io.BytesIO()), Defaults(list_requests(), {}))
    names = {needs.model: needs.model.strip("/").replace("/", "-").replace("@", "-") for needs in orders.survey.needs}
    references = {
        (needs.task, needs.model): ModelReference(f"golden/{names[needs.model]}", COMMIT)
        for needs in orders.survey.needs
    }
    return orders, references


def test_keys_ids_and_seeds_of_varied_jobs_are_what_they_were() -> None:
    orders, references = read_jobs()
    assert not orders.survey.bad, orders.survey.first_bad
    made = [
        {
            "task": job.request.task,
            "key": job.key,
            "id": job.id,
            "seed": job.request.seed,
            "index": job.index,
            "suffix": job.suffix,
        }
        for job in expand(orders, references, BASE_SEED)
    ]
    assert len(made) > 30
    assert made == read_lines(GOLDEN / "keys.jsonl")


def test_the_keys_of_one_model_s_jobs_do_not_depend_on_the_others() -> None:
    """A batch takes up its orders model by model, and counts identical jobs in each."""
    orders, references = read_jobs()
    found = [job for needs in orders.survey.needs for job in expand(orders.select(needs), references, BASE_SEED)]
    by_index = {line["index"]: line for line in read_lines(GOLDEN / "keys.jsonl")}
    assert {job.index: job.key for job in found} == {index: line["key"] for index, line in by_index.items()}


def test_a_batch_that_it_began_is_finished(run_main: RunMain) -> None:
    shutil.copytree(GOLDEN / "begun", "out")
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    done = run_main("batch", GOLDEN / "batch.jsonl", "-m", "tiny", "-o", "out/", *FLOAT32)
    assert done.code == 0, done.stderr
    assert "3 done, 4 done earlier" in done.stderr
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != "manifest.jsonl")
    lines = {line["key"]: line for line in read_lines(Path("out/manifest.jsonl"))[1:]}
    for golden in read_lines(GOLDEN / "whole.jsonl")[1:]:
        line = lines.pop(golden["key"])
        for name in ("id", "task", "prompt", "file", "parameters", "status"):
            assert line[name] == golden[name]
        assert line.get("text") == golden.get("text")
    assert not lines


def test_a_table_that_it_began_is_finished(run_main: RunMain) -> None:
    shutil.copy(GOLDEN / "labels.csv.genai-progress", ".labels.csv.genai-progress")
    shutil.copy(GOLDEN / "reviews.csv", "reviews.csv")
    options = ["--prompts", "reviews.csv", "--column", "text", "-m", "tiny", "-o", "labels.csv", *FLOAT32]
    done = run_main("classify", *options)
    assert done.code == 0, done.stderr
    assert "1 done, 2 done earlier" in done.stderr
    rows = Path("labels.csv").read_text().splitlines()
    assert rows[0] == "text,stars,label,score"
    assert [row.split(",")[-2] for row in rows[1:]] == ["NEGATIVE", "POSITIVE", "POSITIVE"]


@pytest.mark.parametrize("name", ["dark.txt", "waste.txt"])
def test_texts_and_labels_that_it_wrote_verify(run_main: RunMain, name: str) -> None:
    verified = run_main("rerun", GOLDEN / "files" / name, "--verify", *FLOAT32)
    assert (verified.code, verified.lines) == (0, [f"{GOLDEN / 'files' / name}: the same"]), verified.stderr


@pytest.mark.parametrize("name", ["circle.png", "circle.jpg", "circle.webp"])
def test_pictures_that_it_wrote_are_made_again(run_main: RunMain, name: str) -> None:
    golden = GOLDEN / "files" / name
    assert run_main("rerun", golden, "-o", name, *FLOAT32).code == 0
    assert parameters(Path(name)) == parameters(golden)
    before, after = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (golden, Path(name)))
    assert np.abs(before - after).max() <= (2 if name.endswith("png") else 24)  # digits differ between processors
    assert run_main("rerun", golden, "--verify", "--dry-run").code == 0


@pytest.mark.parametrize("name", ["piano.wav", "piano.flac", "piano.ogg", "piano.mp3"])
def test_sounds_that_it_wrote_are_made_again(run_main: RunMain, name: str) -> None:
    golden = GOLDEN / "files" / name
    assert run_main("rerun", golden, "-o", name, *FLOAT32).code == 0
    assert parameters(Path(name)) == parameters(golden)
    before, after = (soundfile.read(path)[0] for path in (golden, Path(name)))
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 0.01
