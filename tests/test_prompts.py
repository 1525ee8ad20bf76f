"""Prompts from files and standard input, with every broken row named as file:line."""

import io
from pathlib import Path

import pytest

from genai_cli.errors import InputError
from genai_cli.work.prompts import BadRow, Row, read_rows


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
    ("name", "data", "words"),
    [
        ("p.txt", b"fine\ncaf\xe9\n", "p.txt:2: not UTF-8"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "p.jsonl:2: not JSON"),
        ("p.jsonl", b'["a"]\n', "p.jsonl:1: not a JSON object"),
        ("p.jsonl", b'{"text": "a"}\n', "p.jsonl:1: no field 'prompt'"),
        ("p.jsonl", b'{"prompt": 3}\n', "p.jsonl:1: the prompt must be text"),
        ("p.csv", b"prompt,seed\na,1\nb\n", "p.csv:3: 2 columns"),
        ("p.csv", b"prompt,seed\na,1,2\n", "p.csv:2: 2 columns"),
        ("p.csv", b"text\na\n", "p.csv:2: no field 'prompt'"),
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
