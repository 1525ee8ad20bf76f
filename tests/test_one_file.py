"""One file for all items: tables and records in the order of the rows, resumed after a kill, never half-written."""

import base64
import csv
import io
import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Genai, RunMain
from readers import read_lines

from genai_cli.store.json_lines import append_line

REVIEWS = 'id,text,stars\n1,"good film, really",5\n2,What a waste of time,\n3,not bad at all,n/a\n'
GREEDY = ("--max-new-tokens", "6", "--temperature", "0")


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def names(folder: Path = Path()) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_table_keeps_its_columns_and_gets_label_and_score(run_main: RunMain) -> None:
    Path("reviews.csv").write_text(REVIEWS)
    done = run_main("classify", "--prompts", "reviews.csv", "--column", "text", "-m", "tiny", "-o", "labels.csv")
    assert (done.code, done.stdout) == (0, "labels.csv\n")
    assert done.stderr.endswith("genai: 3 done\n")
    lines = Path("labels.csv").read_text().splitlines()
    assert lines[0] == "id,text,stars,label,score"
    assert lines[1].startswith('1,"good film, really",5,POSITIVE,0.9')
    assert [(row["stars"], row["label"]) for row in table(Path("labels.csv"))[1:]] == [
        ("", "NEGATIVE"),
        ("n/a", "POSITIVE"),
    ]
    assert names() == {"reviews.csv", "labels.csv"}


def test_a_name_that_the_input_has_is_not_taken(run_main: RunMain) -> None:
    Path("in.csv").write_text("text,label\ngood,mine\n")
    arguments = ("classify", "--column", "text", "-m", "tiny", "--top", "2")
    run_main(*arguments, "--prompts", "in.csv", "-o", "out.csv")
    (row,) = table(Path("out.csv"))
    assert list(row) == ["text", "label", "genai_label", "genai_score", "genai_label_2", "genai_score_2"]
    assert (row["label"], row["genai_label"], row["genai_label_2"]) == ("mine", "POSITIVE", "NEGATIVE")
    assert float(row["genai_score"]) + float(row["genai_score_2"]) == pytest.approx(1)


def test_json_rows_keep_their_fields(run_main: RunMain) -> None:
    given = '{"text": "good", "seed": "none", "tags": ["a"]}\n{"text": "bad"}\n'
    done = run_main("classify", "--prompts", "-", "--column", "text", "-m", "tiny", "-o", "o.jsonl", stdin=given)
    assert done.code == 0, done.stderr
    first, second = read_lines(Path("o.jsonl"))
    assert first == {"text": "good", "seed": "none", "tags": ["a"], "label": "POSITIVE", "score": first["score"]}
    assert second == {"text": "bad", "label": "NEGATIVE", "score": second["score"]}
    run_main("classify", "--prompts", "-", "--column", "text", "-m", "tiny", "-o", "o.csv", stdin=given)
    assert [list(row.values())[:3] for row in table(Path("o.csv"))] == [["good", "none", '["a"]'], ["bad", "", ""]]


def test_records_stand_in_the_order_of_the_rows(run_main: RunMain, distilbert: Path) -> None:
    rows = [{"task": "classify", "prompt": f"film {n}", "model": ("tiny", str(distilbert))[n % 2]} for n in range(6)]
    rows[3] |= {"task": "text", "model": "tiny", "max_new_tokens": 3}
    done = run_main("batch", "-", "-o", "out.jsonl", stdin="\n".join(map(json.dumps, rows)))
    assert done.code == 0, done.stderr
    lines = read_lines(Path("out.jsonl"))
    assert [line["prompt"] for line in lines] == [f"film {n}" for n in range(6)]
    assert [line["task"] for line in lines] == ["classify"] * 3 + ["text"] + ["classify"] * 2
    assert {(line["status"], line["file"]) for line in lines} == {("done", "out.jsonl")}


def test_what_failed_stands_in_the_table_and_can_be_tried_again(run_main: RunMain, gpt2: Path) -> None:
    Path("in.csv").write_text(f"n,text\n1,One\n2,{'word ' * 200}\n3,Three,and more\n4,Four\n")
    arguments = ("text", "--prompts", "in.csv", "--column", "text", "-m", gpt2, *GREEDY, "-o", "out.csv")
    refused = run_main(*arguments)
    assert (refused.code, "--skip-bad" in refused.stderr) == (2, True)
    assert names() == {"in.csv"}
    done = run_main(*arguments, "--skip-bad")
    assert (done.code, done.stdout) == (3, "out.csv\n")
    rows = table(Path("out.csv"))
    assert [row["n"] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row["completion"]) for row in rows] == [True, False, False, True]
    assert "context is 64" in rows[1]["error"]
    assert "in.csv:4: 2 columns are named" in rows[2]["error"]
    assert rows[0]["error"] == ""
    assert ".out.csv.genai-progress" in names()
    before = Path("out.csv").read_bytes()
    again = run_main(*arguments, "--skip-bad")
    assert (again.code, again.stderr.splitlines()[-1]) == (3, "genai: 0 done, 2 done earlier, 1 failed earlier")
    assert Path("out.csv").read_bytes() == before
    Path("in.csv").write_text("n,text\n1,One\n4,Four\n")
    assert run_main(*arguments).stderr == "genai: 0 done, 2 done earlier\n"
    assert [list(row) for row in table(Path("out.csv"))] == [["n", "text", "completion"]] * 2
    assert names() == {"in.csv", "out.csv"}


def test_where_nothing_was_made_no_file_is_written(run_main: RunMain, gpt2: Path) -> None:
    Path("out.jsonl").write_text("what was there\n")
    done = run_main("text", "word " * 200, "-m", gpt2, "-o", "out.jsonl")
    assert done.code == 2
    assert Path("out.jsonl").read_text() == "what was there\n"


def test_killed_and_run_again_it_gives_the_same_file(genai: Genai, run_main: RunMain, gpt2: Path) -> None:
    prompts = genai.cwd / "prompts.txt"
    prompts.write_text("".join(f"Chapter {n}\n" for n in range(40)))
    arguments = ("text", "--prompts", str(prompts), "-m", str(gpt2), *GREEDY)
    for end in (signal.SIGKILL, signal.SIGINT):
        process = genai.start(*arguments, "-o", "out.csv", "--json")
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(end)
        stderr = process.communicate(timeout=240)[1].decode()
        assert "out.csv" not in names(genai.cwd)
    assert process.returncode == 130
    assert "/40 done; run the same command to resume" in stderr
    half = run_main(*arguments, "-o", "out.csv", "--limit", "1")
    assert (half.code, half.stdout) == (0, "")
    last = run_main(*arguments, "-o", "out.csv")
    assert "done earlier" in last.stderr
    run_main(*arguments, "-o", "whole.csv")
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert names() == {"prompts.txt", "out.csv", "whole.csv"}


def test_one_file_is_made_by_one_run(run_main: RunMain) -> None:
    from filelock import FileLock

    with FileLock(".out.csv.genai-lock"):
        done = run_main("classify", "good", "-m", "tiny", "-o", "out.csv")
        assert (done.code, "another run is making out.csv" in done.stderr) == (6, True)
    assert run_main("classify", "good", "-m", "tiny", "-o", "out.csv", "--dry-run").stdout == "out.csv\n"
    assert "-o out/" in run_main("classify", "good", "-m", "tiny", "-o", "out.csv", "--shard", "1/2").stderr


def openai(name: str, url: str, **body: Any) -> str:
    return json.dumps({"custom_id": name, "method": "POST", "url": url, "body": {"model": "gpt-4o-mini", **body}})


def test_openai_requests_are_answered_in_their_format(run_main: RunMain, llama_chat: Path) -> None:
    asked = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = [
        openai("words", "/v1/completions", prompt=["Once", "It was"], max_tokens=4, n=2, temperature=0),
        openai("chat", "/v1/chat/completions", messages=[*asked, asked[0]], max_tokens=4),
        openai("picture", "/v1/images/generations", prompt="a red circle", size="64x64", output_format="webp"),
    ]
    arguments = ("batch", "-", "-o", "out.jsonl", "--format", "openai", "-m", "tiny")
    refused = run_main("batch", "-", "-o", "out.jsonl", "--format", "openai", stdin="\n".join(rows))
    assert refused.code == 2
    assert "-m NAME" in refused.stderr
    done = run_main(*arguments, stdin="\n".join(rows))
    assert done.code == 3, done.stderr
    words, chat, picture = read_lines(Path("out.jsonl"))
    choices = words["response"]["body"]["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert choices[0]["text"] == choices[1]["text"] != choices[2]["text"]
    assert (words["custom_id"], words["error"], words["response"]["status_code"]) == ("words", None, 200)
    assert (chat["custom_id"], chat["response"], chat["error"]["code"]) == ("chat", None, "failed")
    assert "no chat template" in chat["error"]["message"]
    data = base64.b64decode(picture["response"]["body"]["data"][0]["b64_json"])
    assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
    assert "-o results.jsonl" in run_main("batch", "-", "-o", "out/", *arguments[4:], stdin="\n".join(rows)).stderr
    assert run_main("batch", "-", "-o", "out/", "-m", "tiny", stdin=rows[2]).stdout == "out/picture.webp\n"
    assert Path("out/picture.webp").read_bytes()[8:12] == b"WEBP"
    done = run_main(*arguments[:-1], llama_chat, stdin=rows[1])
    assert done.code == 0, done.stderr
    (chat,) = read_lines(Path("out.jsonl"))
    body = chat["response"]["body"]
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert body["choices"][0]["message"]["content"]


def test_a_conversation_can_be_made_again_from_its_record(run_main: RunMain, llama_chat: Path) -> None:
    row = {"task": "text", "prompt": "And?", "messages": [{"role": "user", "content": "Hi"}], "model": str(llama_chat)}
    row |= {"max_new_tokens": 4, "temperature": 0, "id": "chat"}
    made = run_main("batch", "-", "-o", "out/", stdin=json.dumps(row))
    assert made.code == 0, made.stderr
    again = run_main("rerun", "out/chat.txt", "--verify")
    assert again.stdout == "out/chat.txt: the same\n", again.stderr


def test_of_a_line_that_cannot_be_written_nothing_stays(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.touch()
    append_line(file, {"key": "first"}, sync=True)
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            append_line(file, {"key": "a line that is longer than the room"}, sync=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    append_line(file, {"key": "second"}, sync=True)
    assert [line["key"] for line in read_lines(file)] == ["first", "second"]
