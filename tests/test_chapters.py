"""Books become chapters: which lines are headings, what is left out, and the files of `genai speak --chapters`."""

import io
import json
from pathlib import Path

import pytest
from conftest import Build, Genai, RunMain
from readers import record_of, wave_samples

from genai_cli.request.chapters import chapter_rows
from genai_cli.request.lines import BadRow

GUTENBERG = """The Project Gutenberg eBook of The Way

Title: The Way

*** START OF THE PROJECT GUTENBERG EBOOK THE WAY, WHICH IS A VERY
LONG TITLE INDEED ***

THE WAY

by A. Writer

CONTENTS

 CHAPTER I. The Sea
 CHAPTER II. The Hill


CHAPTER I.

The Sea

It was a cold
night, and the _old_ boat-
house stood open.

[Illustration: A boat]

Nobody came.

       *       *       *

Then a bell rang.

CHAPTER II. The Hill

We went up in the morning.

*** END OF THE PROJECT GUTENBERG EBOOK THE WAY ***

This licence is long.
"""
PARTS = """BOOK ONE
THE COMING

I.

We waited here.

II. THE ROAD

We went on, as chapter two of my life began.

BOOK TWO--The End

I

It was over.
"""
MARKDOWN = """# The Way

## Contents

- [The Sea](#the-sea)
- [The Hill](#the-hill)

## The Sea

It was **cold**.

### At night

Colder.

## Chapter 2: The Hill

We went up.
"""
LINES_ALONE = "Chapter 1\nThe sea was calm.\nNobody spoke.\nChapter 2\nThe hill was steep."
CHINESE = "第一章 海\n\n海很静。\n没有人\n说话。\n\n第二章 山\n\n山很高。"
GERMAN = "Erstes Kapitel\n\nEs war Nacht.\n\nZweites Kapitel\n\nEs wurde Tag."
INSIDE = """Chapter 1

I

It began.

II

It went on. She lived in
Part of the house, and read Book two times.

Chapter 2

It ended.
"""
TABLE_AGAIN = """CHAPTER I
                           Page
The Journal                   1

CHAPTER II

The Diary                    14


THE BOOK


CHAPTER I

THE JOURNAL

Monday. It rains.

CHAPTER II

The sun is out.
"""
WORDS = (
    "Prologue\n\nOnce.\n\nChapter One\n\nTwice.\n\nCHAPTER TWENTY-TWO: Much Later\n\nThrice.\n\nEpilogue\n\nThe end."
)


def split(text: str) -> dict[str, str]:
    """The chapters of a text by their ids."""
    rows = list(chapter_rows(io.BytesIO(text.encode()), "book.txt", "book", "prompt"))
    assert not any(isinstance(row, BadRow) for row in rows)
    return {str(row.fields["id"]): str(row.fields["prompt"]) for row in rows if not isinstance(row, BadRow)}


def test_a_book_of_gutenberg_is_its_chapters_and_nothing_else() -> None:
    assert split(GUTENBERG) == {
        "00-the-way": "THE WAY\n\nby A. Writer",
        "01-the-sea": "CHAPTER I.\n\nThe Sea\n\nIt was a cold night, and the old boat-house stood open.\n\nNobody came."
        "\n\nThen a bell rang.",
        "02-the-hill": "CHAPTER II. The Hill\n\nWe went up in the morning.",
    }
    assert split(GUTENBERG.replace("\n", "\r\n")) == split(GUTENBERG)


@pytest.mark.parametrize(
    ("text", "chapters"),
    [
        (
            PARTS,
            {"01-i": "BOOK ONE\n\nTHE COMING\n\nI.\n\nWe waited", "02-the-road": "II", "03-i": "BOOK TWO--The End"},
        ),
        (MARKDOWN, {"01-the-sea": "The Way\n\nThe Sea\n\nIt was cold.\n\nAt night", "02-the-hill": "Chapter 2: The"}),
        (LINES_ALONE, {"01-chapter-1": "Chapter 1\n\nThe sea", "02-chapter-2": "Chapter 2\n\nThe hill"}),
        (CHINESE, {"01-海": "第一章 海\n\n海很静。没有人说话。", "02-山": "第二章 山\n\n山很高。"}),
        (GERMAN, {"01-erstes-kapitel": "Erstes Kapitel\n\nEs war", "02-zweites-kapitel": "Zweites"}),
        (INSIDE, {"01-chapter-1": "Chapter 1\n\nI\n\nIt began.\n\nII\n\nIt went on", "02-chapter-2": "Chapter 2"}),
        (
            TABLE_AGAIN,
            {"01-the-journal": "CHAPTER I\n\nTHE JOURNAL\n\nMonday", "02-chapter-ii": "CHAPTER II\n\nThe sun"},
        ),
        (
            WORDS,
            {"01-prologue": "Prologue", "02-chapter-one": "Chapter", "03-much-later": "CHAPTER", "04-epilogue": "Epi"},
        ),
    ],
    ids=["parts", "markdown", "no-empty-lines", "chinese", "german", "numbers-inside", "table-with-pages", "words"],
)
def test_chapters_are_told_by_their_headings(text: str, chapters: dict[str, str]) -> None:
    found = split(text)
    assert list(found) == list(chapters)
    for name, beginning in chapters.items():
        assert found[name].startswith(beginning)


def test_a_text_without_chapters_is_one() -> None:
    text = "It was a dark\nand stormy night.\n\n1. Milk\n2. Eggs\n\nMr. I. Newton\n\nWhat a Chapter it was."
    assert split(text) == {"book": text.replace("dark\nand", "dark and").replace("Milk\n2", "Milk\n\n2")}
    assert split("") == {}


def test_what_no_row_can_hold_is_named_by_its_line() -> None:
    long = b"Chapter 1\n\nShort.\n\nChapter 2\n\n" + b"word " * 250_000
    rows = list(chapter_rows(io.BytesIO(long), "b.txt", "b", "prompt"))
    assert [isinstance(row, BadRow) for row in rows] == [False, True]
    assert isinstance(rows[1], BadRow) and rows[1].error.message.startswith("b.txt:5: 'Chapter 2' is longer than")
    (row,) = chapter_rows(io.BytesIO(b"one\ntwo \xff"), "b.txt", "b", "prompt")
    assert isinstance(row, BadRow) and row.error.message == "b.txt:2: not UTF-8"


def test_a_book_is_spoken_into_a_file_for_each_chapter(run_main: RunMain, build: Build) -> None:
    model = str(build("fastspeech"))
    Path("book.txt").write_text(GUTENBERG)
    command = ("speak", "--prompts", "book.txt", "--chapters", "-m", model, "-o", "book/")
    planned = run_main(*command, "--dry-run")
    names = ["book/00-the-way.wav", "book/01-the-sea.wav", "book/02-the-hill.wav"]
    assert (planned.code, planned.stdout.split()) == (0, names), planned.stderr
    assert "3 chapters of 21 to 109 characters" in planned.stderr
    assert not Path("book").exists()
    done = run_main(*command, "--limit", "2")
    assert (done.code, done.stdout.split()) == (0, names[:2]), done.stderr
    done = run_main(*command)
    assert (done.code, done.stdout.split()) == (0, names[2:]), done.stderr
    record = record_of(Path(names[1]))
    assert record["prompt"].startswith("CHAPTER I.\n\nThe Sea\n\nIt was")
    assert record["speech"]["sentences"] == 5
    rate, _, samples = wave_samples(Path(names[1]))
    assert len(samples) / rate == pytest.approx(record["speech"]["seconds"], abs=1e-3)


def test_a_chapter_that_is_done_is_not_made_again_and_an_edited_one_is(run_main: RunMain, build: Build) -> None:
    model = str(build("fastspeech"))
    Path("book.txt").write_text(GUTENBERG)
    command = ("speak", "--prompts", "book.txt", "--chapters", "-m", model, "-o", "book/")
    assert run_main(*command).code == 0
    again = run_main(*command)
    assert (again.code, again.stdout) == (0, ""), again.stderr
    assert "3 done earlier" in again.stderr
    # Other line ends and another wrapping are the same text.
    Path("book.txt").write_text(GUTENBERG.replace("cold\nnight", "cold night").replace("went up", "went down"))
    edited = run_main(*command)
    assert (edited.code, edited.stdout) == (0, "book/02-the-hill-2.wav\n"), edited.stderr
    assert "2 done earlier" in edited.stderr


def test_chapters_come_from_a_pipe_and_to_other_tasks(genai: Genai) -> None:
    done = genai("text", "--prompts", "-", "--chapters", "-m", "tiny", "--max-new-tokens", "4", "--json", stdin=PARTS)
    assert done.code == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["01-i", "02-the-road", "03-i"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a text", "--chapters"], "--chapters is about a book in a file\nhint: --prompts book.txt"),
        (["--prompts", "rows.csv", "--chapters"], "cannot read a book from .csv (rows.csv)\nhint: one of .txt, .md"),
        (["--prompts", "book.txt", "--chapters", "--column", "text"], "book.txt is none"),
    ],
)
def test_chapters_need_a_book(run_main: RunMain, arguments: list[str], words: str) -> None:
    for name in ("rows.csv", "book.txt"):
        Path(name).write_text("text\nOne line.\n")
    done = run_main("speak", *arguments)
    assert done.code == 2
    assert words in done.stderr
