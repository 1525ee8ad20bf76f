"""File names from prompts never surprise, and never leave the folder."""

from pathlib import Path

import pytest
from conftest import RunMain

from genai_cli.errors import InputError, OutputError
from genai_cli.store.names import fill_template, parse_destination, slugify
from genai_cli.store.writer import NewFile, Writer

IMAGE = (".png", ".jpg", ".jpeg", ".webp")


@pytest.mark.parametrize(
    ("prompt", "slug"),
    [
        ("An Astronaut riding a HORSE", "an-astronaut-riding-a-horse"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf *", "rf"),
        (".hidden", "hidden"),
        ("Cafe\u0301 Ünder", "café-ünder"),
        ("🦄🌈", "image"),
        ("a\nb\tc", "a-b-c"),
        ("con", "con-"),
        ("日本語 の 猫", "日本語-の-猫"),
        ("Красный КРУГ, на синем", "красный-круг-на-синем"),
        ("قطة كبيرة", "قطة-كبيرة"),
        ("हिन्दी में", "हिन्दी-में"),
        ("a\u202eb\u200bc", "abc"),
        ("\u0301a", "a"),
    ],
)
def test_slugs(prompt: str, slug: str) -> None:
    assert slugify(prompt, "image") == slug


def test_a_slug_is_cut_at_a_character() -> None:
    assert slugify("я" * 50) == "я" * 30
    assert slugify("猫" * 50) == "猫" * 20
    assert slugify("क्षि" * 30) == "क्षि" * 5
    assert slugify("a" + "क्षि" * 30) == "a" + "क्षि" * 4 + "क्"


def test_names_keep_the_letters_of_every_script(run_main: RunMain) -> None:
    done = run_main("image", "большой красный круг", "-m", "tiny", "--seed", "1", "--steps", "4")
    assert done.lines == ["большой-красный-круг-1.png"]
    assert Path("большой-красный-круг-1.png").is_file()
    Path("rows.jsonl").write_text('{"prompt": "a red circle", "id": "客户 7/8", "steps": 4}\n')
    assert run_main("image", "--prompts", "rows.jsonl", "-m", "tiny", "-o", "out/").lines == ["out/客户-7-8.png"]


def test_a_long_prompt_is_cut_between_words() -> None:
    slug = slugify("seventeen words " * 400)
    assert len(slug) <= 60
    assert slug.endswith(("seventeen", "words"))
    assert len(slugify("x" * 5000)) == 60


def test_a_folder_gets_default_names() -> None:
    destination = parse_destination("out/", IMAGE, 3)
    assert (destination.folder, destination.suffix, destination.overwrite) == (Path("out"), None, False)


def test_an_existing_folder_needs_no_slash(tmp_path: Path) -> None:
    assert parse_destination(str(tmp_path), IMAGE, 3).folder == tmp_path


@pytest.mark.parametrize("output", ["a.gif", "a", "a.png.exe", "{slug}", "out/{slug}.tiff", ""])
def test_a_name_without_a_known_type_is_refused(output: str) -> None:
    with pytest.raises(InputError):
        parse_destination(output, IMAGE, 1)


@pytest.mark.parametrize(
    "template",
    [
        "{x}.png",
        "{x.__class__}.png",
        "{slug.__class__}.png",
        "{slug!r}.png",
        "{}.png",
        "{0}.png",
        "{slug.png",
        "{slug:9}.png",
    ],
)
def test_a_template_knows_its_fields_only(template: str) -> None:
    with pytest.raises(InputError):
        parse_destination(template, IMAGE, 1)


def test_a_template_is_filled_and_stays_below_its_folder(tmp_path: Path) -> None:
    destination = parse_destination(f"{tmp_path}/{{id}}/{{index:04}}-{{seed}}.webp", IMAGE, 5)
    fields: dict[str, str | int] = {"slug": "s", "seed": 7, "index": 3, "key": "k", "id": "../../x"}
    assert fill_template(destination.template, fields) == "x/0003-7"
    with pytest.raises(InputError):
        parse_destination("{slug}/../../{seed}.png", IMAGE, 1)


def test_one_file_cannot_hold_several_results() -> None:
    with pytest.raises(InputError) as raised:
        parse_destination("cat.png", IMAGE, 2)
    assert "{slug}-{seed}.png" in str(raised.value.hint)


def new_file(data: bytes) -> NewFile:
    return NewFile(data, ".png", {"slug": "cat", "seed": 1, "index": 0, "key": "k", "id": "k"}, None, {"key": "k"})


def test_a_default_name_never_overwrites(tmp_path: Path) -> None:
    writer = Writer(parse_destination(f"{tmp_path}/", IMAGE, 1))
    names = [writer.write(new_file(data)).name for data in (b"one", b"two", b"three")]
    assert names == ["cat-1.png", "cat-1-2.png", "cat-1-3.png"]
    assert (tmp_path / "cat-1.png").read_bytes() == b"one"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_an_explicit_name_overwrites_atomically(tmp_path: Path) -> None:
    writer = Writer(parse_destination(f"{tmp_path}/new/cat.png", IMAGE, 1))
    for data in (b"one", b"two"):
        assert writer.write(new_file(data)) == tmp_path / "new/cat.png"
    assert (tmp_path / "new/cat.png").read_bytes() == b"two"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_parent_that_is_a_file_is_found_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory"):
        Writer(parse_destination(f"{tmp_path}/file/", IMAGE, 1)).check()


def test_the_check_leaves_no_trace(tmp_path: Path) -> None:
    Writer(parse_destination(f"{tmp_path}/new/deep/", IMAGE, 1)).check()
    assert list(tmp_path.iterdir()) == []
