"""Prompts from files and standard input, with every broken row named as file:line."""

import codecs
import io
import json
import os
import threading
from pathlib import Path

import pytest
from conftest import RunMain

from genai_cli.errors import InputError
from genai_cli.request.rows import BadRow, Reading, Row, read_rows


def rows_of(path: Path, data: bytes) -> list[Row]:
    path.write_bytes(data)
    rows = read_rows([], str(path), io.BytesIO())
    first, again = list(rows), list(rows)
    assert str(first) == str(again)
    for row in first:
        if isinstance(row, BadRow):
            raise row.error
    return [row for row in first if isinstance(row, Row)]


def test_text_is_one_prompt_a_line(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "p.txt", "\ufeffa red circle\r\n\n  \nzwei grüne Herzen".encode())
    assert [row.fields["prompt"] for row in rows] == ["a red circle", "zwei grüne Herzen"]
    assert rows[1].place == f"{tmp_path}/p.txt:4"


def test_json_lines_override_options(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "p.jsonl", b'{"prompt": "a", "seed": 3}\n\n{"prompt": "b\\nc"}\n')
    assert [row.fields for row in rows] == [{"prompt": "a", "seed": 3}, {"prompt": "b\nc"}]


def test_csv_cells_override_options_and_empty_ones_do_not(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "p.csv", b'prompt,seed\n"one, two\nthree",5\nfour,\n')
    assert [row.fields for row in rows] == [{"prompt": "one, two\nthree", "seed": "5"}, {"prompt": "four"}]


def test_standard_input_is_one_prompt_a_line() -> None:
    rows = read_rows(["first", "-", "last"], None, io.BytesIO(b"a\nb\n"))
    assert [row.fields["prompt"] for row in rows if isinstance(row, Row)] == ["first", "a", "b", "last"]


@pytest.mark.parametrize(
    ("data", "column", "prompts"),
    [
        (b"a\nb\n", None, ["a", "b"]),
        (b'\n{"prompt": "a"}\n{"prompt": "b"}\n', None, ["a", "b"]),
        (b"id,text\n1,a\n2,b\n", "text", ["a", "b"]),
        (b'{"text": "a"}\n{"text": "b"}\n', "text", ["a", "b"]),
    ],
)
def test_rows_from_standard_input_can_be_read_again(data: bytes, column: str | None, prompts: list[str]) -> None:
    rows = read_rows([], "-", io.BytesIO(data), reading=Reading.check(column=column))
    first = iter(rows)
    assert next(first) == next(iter(rows))
    assert [row.fields["prompt"] for row in rows if isinstance(row, Row)] == prompts
    assert len([*first]) == 1
    assert all(str(row.place).startswith("standard input:") for row in rows if isinstance(row, Row))


def test_a_pipe_is_read_once_and_iterated_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"a\nb\n",))
    writer.start()
    rows = read_rows([], str(tmp_path / "pipe"), io.BytesIO())
    writer.join()
    assert [*rows] == [*rows]
    assert len([*rows]) == 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.csv", b"prompt;seed\na, b;5\n"),
        ("p.csv", b'"prompt";"seed"\n"a, b";"5"\n'),
        ("p.csv", b"seed\tprompt\n5\ta, b\n"),
        ("p.csv", b'\n\xef\xbb\xbfprompt,seed\n"a, b",5\n'[1:]),
        ("p.tsv", b"prompt\tseed\na, b\t5\n"),
        ("p.ndjson", b'{"prompt": "a, b", "seed": "5"}\n'),
        ("p.csv", 'prompt,seed\n"a, b",5\n'.encode("utf-16")),
        ("p.tsv", codecs.BOM_UTF16_BE + "prompt\tseed\na, b\t5\n".encode("utf-16-be")),
        ("p.jsonl", '{"prompt": "a, b", "seed": "5"}\n'.encode("utf-32")),
    ],
)
def test_delimiter_and_encoding_tell_themselves(tmp_path: Path, name: str, data: bytes) -> None:
    assert [row.fields for row in rows_of(tmp_path / name, data)] == [{"prompt": "a, b", "seed": "5"}]


def test_a_delimiter_can_be_forced(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"n|text,seed\n1|a,b\n")
    (row,) = read_rows([], str(tmp_path / "p.csv"), io.BytesIO(), reading=Reading.check(None, "|", "text,seed"))
    assert isinstance(row, Row)
    assert row.cells == ("1", "a,b")
    (row,) = read_rows([], "-", io.BytesIO(b"prompt\tseed\na\t1\n"), reading=Reading.check(None, "tab"))
    assert isinstance(row, Row)
    assert row.fields == {"prompt": "a", "seed": "1"}
    for wrong in ("", "ab", '"', "\n"):
        with pytest.raises(InputError, match="--delimiter"):
            Reading.check(None, wrong)
    (tmp_path / "p.txt").write_bytes(b"a\n")
    with pytest.raises(InputError, match="--delimiter is about the columns of a table"):
        read_rows([], str(tmp_path / "p.txt"), io.BytesIO(), reading=Reading.check(None, ";"))


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030", "shift_jis", "utf-16-le", "utf-8", "cp1251"])
def test_an_encoding_can_be_named(tmp_path: Path, encoding: str) -> None:
    word = {"gb18030": "一只猫", "shift_jis": "ねこ", "cp1251": "кот"}.get(encoding, "Grüße")
    text = f"{word} {'x' * 70000}\n{word}\n"  # over a piece, and a character may be cut at its end
    reading = Reading.check(encoding, None)
    (tmp_path / "p.txt").write_bytes(text.encode(encoding))
    for rows in (
        read_rows([], str(tmp_path / "p.txt"), io.BytesIO(), reading=reading),
        read_rows(["-"], None, io.BytesIO(text.encode(encoding)), reading=reading),
    ):
        assert [row.fields["prompt"] for row in rows if isinstance(row, Row)] == text.splitlines()


def test_an_encoding_that_does_not_fit_or_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes("Grüße\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"p\.txt is not shift_jis"):
        list(read_rows([], str(tmp_path / "p.txt"), io.BytesIO(), reading=Reading.check("shift_jis", None)))
    for wrong in ("utf-9", "base64", "a\0b"):
        with pytest.raises(InputError, match="unknown encoding"):
            Reading.check(wrong, None)
    (tmp_path / "p.txt").write_bytes("Hello\n".encode("utf-16-be"))
    with pytest.raises(InputError, match="UTF-16 without a byte order mark") as raised:
        list(read_rows([], str(tmp_path / "p.txt"), io.BytesIO()))
    assert raised.value.hint == "--encoding utf-16-be reads it"


def test_the_hint_for_another_encoding_asks_which_and_guesses_none(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes("一只红色的狗\n".encode("gb18030"))
    (bad,) = read_rows([], str(tmp_path / "p.txt"), io.BytesIO())
    assert isinstance(bad, BadRow)
    assert "--encoding NAME" in str(bad.error.hint)
    assert "latin1" not in str(bad.error.hint)


@pytest.mark.parametrize(
    ("data", "column", "words"),
    [
        (b"prompt,seed,seed\na,1,2\n", None, "p.csv:1: two columns are named 'seed'"),
        (b"\nid,text,text\n1,a,b\n", "text", "p.csv:2: two columns are named 'text'"),
        (b"prompt,caf\xe9\na,1\n", None, "p.csv:1: the header is not UTF-8"),
        (b"id,text,caf\xe9\n1,a,b\n", "text", "p.csv:1: the header is not UTF-8"),
    ],
)
def test_a_header_that_would_lose_something_is_an_error(
    tmp_path: Path, data: bytes, column: str | None, words: str
) -> None:
    (tmp_path / "p.csv").write_bytes(data)
    with pytest.raises(InputError) as raised:
        list(read_rows([], str(tmp_path / "p.csv"), io.BytesIO(), reading=Reading.check(column=column)))
    assert words in raised.value.message


def test_two_fields_of_one_name_in_json_are_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.jsonl:1: two fields are named 'seed'"):
        rows_of(tmp_path / "p.jsonl", b'{"prompt": "a", "seed": 1, "seed": 2}\n')


def test_other_columns_of_a_named_one_are_data(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"id,seed,text,seed\n7,none,good,\n")
    (row,) = read_rows([], str(tmp_path / "p.csv"), io.BytesIO(), reading=Reading.check(column="text"))
    assert isinstance(row, Row)
    assert row.fields == {"prompt": "good"}
    assert row.columns == ("id", "seed", "text", "seed")
    assert row.cells == ("7", "none", "good", "")


def test_an_unknown_column_is_said_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"id,review\n7,good\n")
    with pytest.raises(InputError, match="no column 'text'") as raised:
        list(read_rows([], str(tmp_path / "p.csv"), io.BytesIO(), reading=Reading.check(column="text")))
    assert "id, review" in str(raised.value.hint)


def test_a_table_goes_on_after_a_broken_row(tmp_path: Path) -> None:
    long = b"x" * 1_200_000
    (tmp_path / "p.csv").write_bytes(b'prompt,n\n"a"b,1\ncaf\xe9,2\n' + long + b",3\nfine,4\n")
    rows = list(read_rows([], str(tmp_path / "p.csv"), io.BytesIO(), reading=Reading.check(column="prompt")))
    places = [row.error.message for row in rows[:3] if isinstance(row, BadRow)]
    for number, words in enumerate(("broken CSV", "not UTF-8", "longer than"), 2):
        assert f"p.csv:{number}: {words}" in places[number - 2]
    assert isinstance(rows[3], Row)
    assert rows[3].cells == ("fine", "4")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("p.txt", b"fine\ncaf\xe9\n", "p.txt:2: not UTF-8"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "p.jsonl:2: not JSON"),
        ("p.jsonl", b'["a"]\n', "p.jsonl:1: not a JSON object"),
        ("p.csv", b"prompt,seed\na,1\nb\n", "p.csv:3: 2 columns"),
        ("p.csv", b"prompt,seed\na,1,2\n", "p.csv:2: 2 columns"),
        ("p.csv", b"text\na\n", "p.csv has no column 'prompt'"),
        ("p.docx", b"x", "cannot read prompts from .docx"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    with pytest.raises(InputError) as raised:
        rows_of(tmp_path / name, data)
    assert words in raised.value.message


@pytest.mark.parametrize(
    ("name", "data"), [("p.txt", b""), ("p.txt", b"\n \n"), ("p.csv", b"prompt\n"), ("p.jsonl", b"")]
)
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str, data: bytes) -> None:
    assert rows_of(tmp_path / name, data) == []


def test_a_row_past_the_limit_is_bad_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"x" * 2_500_000 + b"\nfine\n")
    bad, fine = read_rows([], str(tmp_path / "p.txt"), io.BytesIO())
    assert isinstance(bad, BadRow)
    assert "p.txt:1: longer than" in bad.error.message
    assert isinstance(fine, Row)
    assert fine.place == f"{tmp_path}/p.txt:2"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: No such file"):
        read_rows([], str(tmp_path / "none.txt"), io.BytesIO())


def test_no_prompt_at_all_is_said() -> None:
    with pytest.raises(InputError, match="no prompt given"):
        read_rows([], None, io.BytesIO())


# Prompts from several columns


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "n,colour,shape,seed\n1,red,circle,x\n2,dark blue,,y\n"),
        ("t.tsv", "colour\tshape\nred\tcircle\ndark blue\t\n"),
        ("t.jsonl", '{"colour": "red", "shape": "circle"}\n{"colour": "dark blue", "shape": ""}\n'),
    ],
)
def test_a_template_makes_prompts_from_columns(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    reading = Reading.check(template="a {colour} {shape}, {{{colour}}}")
    rows = list(read_rows([], str(tmp_path / name), io.BytesIO(), reading=reading))
    assert [row.fields for row in rows if isinstance(row, Row)] == [
        {"prompt": "a red circle, {red}"},
        {"prompt": "a dark blue , {dark blue}"},
    ]


def test_values_of_json_are_told_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"n": 3, "x": [1, "é"], "first name": "Ann"}\n{"n": 4}\n')
    good, bad = read_rows([], str(path), io.BytesIO(), reading=Reading.check(template="{n} {x} {first name}"))
    assert isinstance(good, Row)
    assert good.fields == {"prompt": '3 [1, "é"] Ann'}
    assert isinstance(bad, BadRow)
    assert bad.error.message.endswith(":2: no field 'x'")


@pytest.mark.parametrize("template", ["a circle", "{}", "{colour!r}", "{colour:>9}", "{colour", "colour}"])
def test_a_template_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(InputError, match="--template") as raised:
        Reading.check(template=template)
    assert "{colour} {shape}" in str(raised.value.hint)


def test_a_template_needs_its_columns(run_main: RunMain) -> None:
    Path("t.csv").write_text("colour,shape\nred,circle\n")
    for arguments, words in {
        (
            "--prompts",
            "t.csv",
            "--template",
            "{color} {shape}",
        ): "t.csv has no column 'color'\nhint: its columns: colour, shape",
        ("--prompts", "t.csv", "--template", "{shape}", "--column", "shape"): "give one of them",
        ("a cat", "--template", "{shape}"): "--template is about the columns of a table, and none was given",
    }.items():
        done = run_main("classify", *arguments, "-m", "tiny")
        assert (done.code, words in done.stderr) == (2, True), done.stderr


def test_a_table_made_with_a_template_keeps_its_columns(run_main: RunMain) -> None:
    Path("t.csv").write_text("title,body\nGood,I liked it a lot\n")
    done = run_main("classify", "--prompts", "t.csv", "--template", "{title}: {body}", "-m", "tiny", "-o", "out.csv")
    assert done.code == 0, done.stderr
    header, row = Path("out.csv").read_text().splitlines()
    assert header == "title,body,label,score"
    assert row.startswith("Good,I liked it a lot,POSITIVE,")
    alone = json.loads(run_main("classify", "Good: I liked it a lot", "-m", "tiny", "--json").stdout)
    assert row.endswith(f",{alone['score']}")
