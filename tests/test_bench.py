"""The benchmark's own parts: what it lists, how it measures and reports, and the vocabularies it builds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench.measure import Command, FailedError, in_turn, paired, run
from tools.bench.report import BEGIN, END, Expectation, Row, Skip, markdown, write_page

ROOT = Path(__file__).parents[1]


def python(program: str, *arguments: str, **options: object) -> Command:
    return Command([sys.executable, "-S", "-c", program, *arguments], **options)


def test_every_family_and_line_is_listed_and_unknown_ones_are_refused() -> None:
    bench = [sys.executable, "-m", "tools.bench", "--list"]
    listed = subprocess.run(bench, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in ("cold-image", "gpt2-batch-16", "musicgen", "images", "resume", "dry-run", "noise", "help"):
        assert f"  {name} " in listed
    refused = subprocess.run([*bench, "--only", "cold-imgae"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "cold-imgae" in refused.stderr


def test_a_run_holds_what_the_process_said_and_took() -> None:
    sample = run(python("x = bytearray(200_000_000); x[::4096] = b'a' * len(x[::4096]); print('made')"))
    assert sample.stdout == "made\n"
    assert sample.peak > 200e6
    assert sample.wall > 0
    assert sample.cpu > 0
    with pytest.raises(FailedError, match="ended with 3: no luck"):
        run(python("import sys; sys.stderr.write('no luck'); sys.exit(3)"))


def test_commands_run_in_turn_and_a_fresh_folder_is_gone_before_each(tmp_path: Path) -> None:
    log, fresh = tmp_path / "log", tmp_path / "fresh"
    note = f"import sys, os; os.mkdir({str(fresh)!r}); open({str(log)!r}, 'a').write(sys.argv[1])"
    taken = in_turn({name: python(note, name, fresh=fresh) for name in "AB"}, rounds=3)
    assert log.read_text() == "ABBAAB"
    assert [len(samples) for samples in taken.values()] == [3, 3]


def test_ratios_are_of_pairs() -> None:
    found = paired([2.0, 9.0, 4.0], [1.0, 3.0, 4.0])
    assert (found.median, found.low, found.high, found.count) == (2.0, 1.0, 3.0, 3)


def test_the_report_replaces_what_stands_between_the_marks_of_a_page(tmp_path: Path) -> None:
    met = Row("cold", "text", "a script", "s", 6.0, 8.0, paired([6.0], [8.0]), Expectation(0.85))
    missed = Row("dry-run", "10000 rows", "", "s", 1.25, expected=Expectation(1))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, markdown({"device": "cpu"}, [met, missed], [Skip("ray", "not there")]))
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    assert "| cold | text | a script | 6.00 s | 8.00 s | 0.75 (0.75 to 0.75, 1 pair) | at most 0.85 | yes |  |" in lines
    assert "| dry-run | 10000 rows |  | 1.25 s |  |  | at most 1 | **no** |  |" in lines
    assert "- ray: not there" in lines
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no place"):
        write_page(page, "report")


def test_vocabularies_have_the_real_sizes_and_cut_words(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPTokenizer

    from tools.bench.checkpoints import vocabulary

    vocabulary.write_clip_tokenizer(tmp_path / "clip")
    vocabulary.write_gpt2_tokenizer(tmp_path / "gpt2")
    vocabulary.write_wordpiece(tmp_path / "bert")
    vocabulary.write_t5_tokenizer(tmp_path / "t5")
    (tmp_path / "gpt2/config.json").write_text(json.dumps({"model_type": "gpt2"}))
    clip, gpt2 = CLIPTokenizer.from_pretrained(tmp_path / "clip"), AutoTokenizer.from_pretrained(tmp_path / "gpt2")
    text = "an astronaut riding a horse"
    assert (len(clip), len(gpt2)) == (49408, 50257)
    assert clip.decode(clip(text).input_ids, skip_special_tokens=True).strip() == text
    assert gpt2.decode(gpt2(text).input_ids) == text
    assert 5 < len(gpt2(text).input_ids) < len(text)
    words = (tmp_path / "bert/vocab.txt").read_text().splitlines()
    assert (len(words), len(set(words)), words[101]) == (30522, 30522, "[CLS]")
    assert len(json.loads((tmp_path / "t5/tokenizer.json").read_text())["model"]["vocab"]) == 32100
