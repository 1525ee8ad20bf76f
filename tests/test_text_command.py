"""genai text, on checkpoints in the layouts of GPT-2 and of a Llama with a chat template."""

import json
from pathlib import Path

import pytest
from conftest import Genai, PickleOnly, RunMain, heed_permissions
from readers import record_of

QUICK = ["--max-new-tokens", "12"]


def test_a_base_model_goes_on_after_the_prompt(run_main: RunMain, gpt2: Path) -> None:
    done = run_main("text", "It was", "-m", str(gpt2), "--seed", "3", *QUICK)
    assert done.code == 0
    assert done.stderr == "genai: written to it-was-3.txt; -o - only prints\n"
    assert done.stdout.startswith("It was")
    assert len(done.stdout) > len("It was\n")
    bare = run_main("text", "It was", "-m", str(gpt2), "--seed", "3", "--no-echo", *QUICK)
    assert done.stdout == "It was" + bare.stdout


def test_a_text_is_printed_and_written(run_main: RunMain, gpt2: Path) -> None:
    options = ["-m", str(gpt2), "--seed", "3", *QUICK]
    printed = run_main("text", "It was", *options).stdout
    assert Path("it-was-3.txt").read_bytes().decode() == printed
    assert run_main("text", "It was", *options).stdout == printed
    assert Path("it-was-3-2.txt").read_bytes().decode() == printed
    line = json.loads(run_main("text", "It was", *options, "--json").stdout)
    assert (line["file"], line["text"] + "\n") == ("it-was-3-3.txt", Path("it-was-3-3.txt").read_bytes().decode())
    several = run_main("text", "A", "B b", *options)
    assert several.stdout == Path("a-3.txt").read_bytes().decode() + Path("b-b-3.txt").read_bytes().decode()
    assert several.stderr == "genai: each text is in a file in this folder, too; -o - only prints\n"
    assert run_main("text", "It was", *options, "--dry-run").stdout == "it-was-3.txt\n"


def test_minus_only_prints_and_can_be_the_rule(
    run_main: RunMain, gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["-m", str(gpt2), "--seed", "3", *QUICK]
    printed = run_main("text", "It was", *options, "-o", "-")
    assert (printed.code, printed.stderr) == (0, "")
    line = json.loads(run_main("text", "It was", *options, "-o", "-", "--json").stdout)
    assert (line["file"], line["text"] + "\n") == (None, printed.stdout)
    settings = tmp_path / "config.toml"
    settings.write_text('[text]\noutput = "-"\n')
    monkeypatch.setenv("GENAI_CONFIG", str(settings))
    assert run_main("text", "It was", *options).stdout == printed.stdout
    assert list(Path().iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_first(genai: Genai, gpt2: Path) -> None:
    genai.cwd.chmod(0o555)
    options = ["-m", str(gpt2), *QUICK]
    process = genai.start("text", "It was", *options, preexec_fn=heed_permissions)
    stdout, stderr = process.communicate()
    genai.cwd.chmod(0o755)
    assert (process.returncode, stdout) == (6, b"")
    assert b"cannot write" in stderr


def test_the_same_seed_gives_the_same_text_and_another_another(run_main: RunMain, gpt2: Path) -> None:
    texts = [run_main("text", "It was", "-m", str(gpt2), "--seed", seed, *QUICK).stdout for seed in ("1", "1", "2")]
    assert texts[0] == texts[1] != texts[2]


def test_the_second_of_several_can_be_made_alone(run_main: RunMain, gpt2: Path) -> None:
    both = run_main("text", "It was", "-m", str(gpt2), "--seed", "1", "-n", "2", "--json", *QUICK)
    texts = [json.loads(line)["text"] for line in both.lines]
    alone = run_main("text", "It was", "-m", str(gpt2), "--seed", "2", *QUICK)
    assert alone.stdout == texts[1] + "\n"


def test_temperature_zero_is_greedy(run_main: RunMain, gpt2: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(gpt2), AutoModelForCausalLM.from_pretrained(gpt2)
    tokens = tokenizer("It was", return_tensors="pt").input_ids
    for _ in range(5):
        tokens = __import__("torch").cat([tokens, model(tokens).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    done = run_main("text", "It was", "-m", str(gpt2), "--temperature", "0", "--max-tokens", "5")
    assert done.stdout.rstrip("\n") == tokenizer.decode(tokens[0], skip_special_tokens=True).rstrip(
        "\N{REPLACEMENT CHARACTER}"
    )


def test_a_file_and_its_record_beside_it(run_main: RunMain, gpt2: Path) -> None:
    done = run_main("text", "It was", "-m", str(gpt2), "--seed", "3", "-o", "out/it.txt", *QUICK)
    assert Path("out/it.txt").read_text() == done.stdout
    record = record_of(Path("out/it.txt"))
    assert record["text"] + "\n" == done.stdout
    parameters = record["parameters"]
    assert (parameters["seed"], parameters["max_new_tokens"], parameters["temperature"]) == (3, 12, 0.7)
    assert (parameters["chat"], parameters["echo"], parameters["stop"]) == (False, True, [])
    assert sorted(path.name for path in Path("out").iterdir()) == ["it.txt", "it.txt.json"]


def test_the_record_s_hash_is_of_the_text(run_main: RunMain, gpt2: Path) -> None:
    import hashlib

    record = json.loads(run_main("text", "It was", "-m", str(gpt2), "--json", *QUICK).stdout)
    assert record["content_sha256"] == hashlib.sha256(record["text"].encode()).hexdigest()


def test_it_ends_before_a_stop_text(run_main: RunMain, gpt2: Path) -> None:
    whole = run_main("text", "It was", "-m", str(gpt2), "--seed", "3", "--no-echo", *QUICK).stdout
    stop = whole[5:8]
    cut = run_main("text", "It was", "-m", str(gpt2), "--seed", "3", "--no-echo", "--stop", stop, *QUICK).stdout
    assert cut == whole[: whole.index(stop)] + "\n"
    for options, reason in ([], "length"), (["--stop", stop], "stop"):
        done = run_main("text", "It was", "-m", str(gpt2), "--seed", "3", "--json", *options, *QUICK)
        record = json.loads(done.stdout)
        assert record["finish_reason"] == reason
        assert record["tokens"]["prompt"] > 0
        assert (record["tokens"]["completion"] == 12) == (reason == "length")


def test_the_context_is_filled_and_no_more(run_main: RunMain, gpt2: Path) -> None:
    done = run_main("text", "It was", "-m", str(gpt2), "--json", "--max-new-tokens", "1000")
    assert done.code == 0
    assert "the context of 64 tokens leaves" in done.stderr
    assert json.loads(done.stdout)["parameters"]["max_new_tokens"] < 64
    silent = run_main("text", "It was", "-m", str(gpt2), "--json")
    assert silent.stderr == ""


def test_a_prompt_past_the_context_says_both_lengths(run_main: RunMain, gpt2: Path) -> None:
    done = run_main("text", "word " * 200, "-m", str(gpt2))
    assert done.code == 2
    assert "tokens and the model's context is 64" in done.stderr
    assert done.stdout == ""


def test_a_chat_model_answers_and_does_not_echo(run_main: RunMain, llama_chat: Path) -> None:
    done = run_main("text", "Who are you?", "-m", str(llama_chat), "--seed", "1", "--json", *QUICK)
    record = json.loads(done.stdout)
    assert record["parameters"]["chat"] is True
    assert "Who are you?" not in record["text"]
    raw = run_main("text", "Who are you?", "-m", str(llama_chat), "--seed", "1", "--no-chat", *QUICK)
    assert raw.stdout.startswith("Who are you?")


def test_the_system_message_reaches_the_model(run_main: RunMain, llama_chat: Path) -> None:
    options = ["-m", str(llama_chat), "--temperature", "0", *QUICK]
    plain = run_main("text", "Who are you?", *options)
    told = run_main("text", "Who are you?", "--system", "You are a pirate.", *options)
    assert plain.code == told.code == 0
    assert plain.stdout != told.stdout


@pytest.mark.parametrize("option", [["--chat"], ["--system", "Be brief."]])
def test_a_chat_needs_a_template(run_main: RunMain, gpt2: Path, option: list[str]) -> None:
    done = run_main("text", "Hello", "-m", str(gpt2), *option)
    assert done.code == 2
    assert "has no chat template" in done.stderr


def test_several_prompts_come_in_order(run_main: RunMain, gpt2: Path) -> None:
    done = run_main("text", "One", "-", "-m", str(gpt2), "--max-new-tokens", "6", "--seed", "1", stdin="Two\n\nThree\n")
    assert [line.split()[0][:3] for line in done.lines if line[:3] in ("One", "Two", "Thr")] == ["One", "Two", "Thr"]


def test_sharded_weights_load(run_main: RunMain, gpt2: Path, gpt2_sharded: Path) -> None:
    one, many = (
        run_main("text", "It was", "-m", str(folder), "--seed", "3", *QUICK) for folder in (gpt2, gpt2_sharded)
    )
    assert one.stdout == many.stdout


def test_a_small_bfloat16_checkpoint_runs_as_float32_on_a_cpu(run_main: RunMain, llama_chat: Path) -> None:
    record = json.loads(run_main("text", "Hi", "-m", str(llama_chat), "--json", "--dtype", "auto", *QUICK).stdout)
    assert record["dtype"] == "float32"
    assert record["dtype_reason"]


def test_nan_weights_are_said(run_main: RunMain, gpt2: Path, tmp_path: Path) -> None:
    import shutil

    from checkpoint_parts import changed_weights

    folder = tmp_path / "broken"
    shutil.copytree(gpt2, folder)
    with changed_weights(folder / "model.safetensors") as tensors:
        tensors["ln_f.weight"].fill_(float("nan"))
    done = run_main("text", "It was", "-m", str(folder), "-o", "x.txt", *QUICK)
    assert done.code == 8
    assert "not finite" in done.stderr
    assert not Path("x.txt").exists()


def test_pickled_weights_are_refused_and_not_run(run_main: RunMain, pickle_only: PickleOnly) -> None:
    done = run_main("text", "It was", "-m", str(pickle_only.folder))
    assert done.code == 9
    assert "safetensors only" in done.stderr
    assert "refs/pr/1" in done.stderr
    assert not pickle_only.canary.exists()
