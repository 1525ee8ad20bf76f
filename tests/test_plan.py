"""`--dry-run` of a batch: how many items and models, what is done, what is to be fetched; nothing loaded or written."""

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import Genai, RunMain
from loopback_hub import LoopbackHub

PROGRAM = """
import sys
from genai_cli.cli.main import main
code = main(sys.argv[1:])
print(code, *({"torch", "huggingface_hub", "transformers"} & set(sys.modules)), file=sys.stderr)
"""


def jobs(path: Path, count: int = 4) -> str:
    rows = [{"task": ("classify", "text")[n % 4 == 3], "prompt": f"film {n}", "model": "tiny"} for n in range(count)]
    path.write_text("".join(f"{json.dumps(row | {'seed': 1})}\n" for row in rows))
    return str(path)


def test_a_plan_counts_and_writes_nothing(genai: Genai, tmp_path: Path) -> None:
    arguments = ["batch", jobs(tmp_path / "jobs.jsonl", 2000), "-o", "out/", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=genai.cwd, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "genai: 2000 items (1500 classify, 500 text): 2000 to make",
        "genai: model tiny for 1500 classify: built in",
        "genai: model tiny for 500 text: built in",
        "genai: nothing was loaded or written",
        "0",
    ]
    assert list(genai.cwd.iterdir()) == []


def test_a_plan_knows_what_is_done(run_main: RunMain, tmp_path: Path) -> None:
    arguments = ("batch", jobs(tmp_path / "jobs.jsonl"), "-o", "out/")
    run_main(*arguments, "--limit", "2")
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    plan = json.loads(run_main(*arguments, "--dry-run", "--json").stdout)
    assert (plan["items"], plan["done"], plan["to_make"], plan["tasks"]) == (4, 2, 2, {"classify": 3, "text": 1})
    assert [model["bytes_to_fetch"] for model in plan["models"]] == [0, 0]
    assert "2 done earlier, 1 to make" in run_main(*arguments, "--dry-run", "--limit", "1").stderr
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before
    assert run_main(*arguments, "--dry-run", "-q").stderr == ""


def test_a_plan_knows_the_progress_of_one_file(run_main: RunMain, tmp_path: Path) -> None:
    arguments = ("batch", jobs(tmp_path / "jobs.jsonl"), "-o", "out.jsonl")
    run_main(*arguments, "--limit", "3")
    assert "3 done earlier, 1 to make" in run_main(*arguments, "--dry-run").stderr
    assert {path.name for path in Path().iterdir()} == {".out.jsonl.genai-progress"}


def test_a_plan_says_what_is_to_be_fetched(genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path) -> None:
    hub.add("owner/model", gpt2)
    (genai.cwd / "prompts.txt").write_text("One\nTwo\n")
    arguments = ("text", "--prompts", "prompts.txt", "-m", "owner/model", "-o", "out/", "--dry-run", "--json")
    plan = json.loads(genai(*arguments).stdout)
    size = sum(path.stat().st_size for path in gpt2.iterdir())
    assert size * 0.9 < plan["models"][0]["bytes_to_fetch"] <= size
    assert plan["free_disk"] > 0
    assert not [path for path in environment.rglob("*") if path.is_file()]
    offline = json.loads(genai(*arguments, "--offline").stdout)
    assert offline["models"][0]["bytes_to_fetch"] is None
    assert "unknown, offline" in genai(*arguments[:-1], "--offline").stderr
    missing = genai(*[argument.replace("owner/model", "owner/none") for argument in arguments])
    assert missing.code == 4
    genai("models", "pull", "owner/model")
    assert json.loads(genai(*arguments).stdout)["models"][0]["bytes_to_fetch"] == 0


def test_a_plan_tells_weights_that_are_cut_off(genai: Genai, hub: LoopbackHub, gpt2: Path, environment: Path) -> None:
    hub.add("owner/model", gpt2)
    genai("models", "pull", "owner/model")
    weights = next((environment / "huggingface" / "hub").glob("*/snapshots/*/model.safetensors"))
    size = weights.stat().st_size
    os.truncate(weights.resolve(), size // 2)
    arguments = ("text", "It was", "-m", "owner/model", "--dry-run", "--json")
    assert json.loads(genai(*arguments).stdout)["models"][0]["bytes_to_fetch"] == size
    assert json.loads(genai(*arguments, "--offline").stdout)["models"][0]["bytes_to_fetch"] is None


def test_a_plan_tells_a_cached_model_of_another_kind(genai: Genai, hub: LoopbackHub, distilbert: Path) -> None:
    hub.add("owner/labels", distilbert)
    genai("models", "pull", "owner/labels")
    done = genai("text", "It was", "-m", "owner/labels", "--dry-run", "--json", "--offline")
    assert (done.code, done.stdout) == (2, ""), done.stderr
    assert "genai classify" in done.stderr
