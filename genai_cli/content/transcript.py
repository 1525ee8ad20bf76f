"""A transcript as TXT, SRT, VTT, TSV and JSON, under the names that whisper gives its fields."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from genai_cli.content.record import Record, from_json
from genai_cli.content.segments import Segment, join_texts
from genai_cli.content.subtitles import Shape, lay_out
from genai_cli.content.text import Text
from genai_cli.errors import InputError
from genai_cli.events import Emit
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

FORMATS = ("txt", "srt", "vtt", "tsv", "json")
TAGS = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Transcript(Text):
    """What was said in a sound: its text, its segments, and the language, where the model tells."""

    suffixes: ClassVar[tuple[str, ...]] = tuple(f".{name}" for name in FORMATS)

    segments: tuple[Segment, ...] = ()
    language: str | None = None
    seconds: float = 0.0
    shape: Shape = field(default_factory=Shape)
    formats: tuple[str, ...] = ()
    """The files that are asked for; none: the one that the name of the result tells, or a text."""

    @classmethod
    def join(cls, segments: tuple[Segment, ...], **facts: object) -> Self:
        """A transcript of segments that are in order."""
        return cls(join_texts(segments), segments=segments, **facts)  # type: ignore[arg-type]

    def sha256(self) -> str:
        """Of the letters of the text: all file types hold the same, wherever their lines end."""
        import hashlib

        return hashlib.sha256("".join(self.text.split()).encode()).hexdigest()

    def is_written_as(self, sha256: str) -> bool:
        return self.sha256() == sha256

    def choose_suffixes(self, asked: str | None) -> tuple[str, ...]:
        """The file types of a result, the first one first: that of its name, and those that are asked for."""
        named = [asked] if asked else []
        return tuple(dict.fromkeys([*named, *(f".{name}" for name in self.formats)])) or self.suffixes[:1]

    @classmethod
    def holds_record(cls, suffix: str) -> bool:
        """JSON has room for the record."""
        return suffix == ".json"

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The file's bytes; JSON holds the record too."""
        del mark
        if suffix == ".json":
            whole = {**self.describe(), "genai": record}
            return f"{json.dumps(whole, ensure_ascii=False, indent=1)}\n".encode()
        return self.write(suffix.removeprefix(".")).encode()

    def write(self, name: str) -> str:
        """The transcript in one of `FORMATS`; "json" is without a record here."""
        return WRITERS[name](self)

    def describe(self) -> JsonObject:
        """The transcript under whisper's names."""
        segments = [{"id": number, **segment.record()} for number, segment in enumerate(self.segments)]
        return {"text": self.text, "segments": segments, "language": self.language, "duration": round(self.seconds, 3)}

    def facts(self) -> JsonObject:
        return self.describe()

    @classmethod
    def restore(cls, record: Mapping[str, object]) -> Self:
        """The transcript that a record holds."""
        stated, parameters = dict(record), record.get("parameters")
        options = parameters if isinstance(parameters, dict) else {}
        names = ("max_line_width", "max_line_count")
        shape = Shape(*(int(options.get(name, default)) for name, default in zip(names, (42, 2), strict=True)))
        listed = stated.get("segments")
        segments = tuple(Segment.read(segment) for segment in listed) if isinstance(listed, list) else ()
        language = stated.get("language")
        return cls(
            str(stated.get("text", "")),
            segments=segments,
            language=language if isinstance(language, str) else None,
            seconds=float(str(stated.get("duration") or 0)),
            shape=shape,
            formats=split_formats(options.get("format")),
        )

    @classmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The text of a file of any of the types. Raises InputError."""
        text = Text.read(source, emit).text
        suffix = source.name.rpartition(".")[2].lower()
        if suffix == "json":
            try:
                whole = from_json(text)
            except ValueError as error:
                raise InputError(f"{source.name} is not JSON: {error}") from None
            return cls(str(whole.get("text", "")) if isinstance(whole, dict) else "")
        return cls(READERS[suffix](text) if suffix in READERS else text)

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        """What stdout shows: the text, or the first format that is asked for."""
        del title
        transcript = cls.restore(record)
        shown = transcript.write(transcript.formats[0] if transcript.formats else "txt").rstrip("\n")
        if shown:
            yield shown

    @classmethod
    def columns(cls, count: int) -> list[str]:
        del count
        return ["text", "language", "duration"]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        """The text, its language and the seconds of the sound."""
        del count
        return [record.get("text"), record.get("language"), record.get("duration")]


def split_formats(asked: object) -> tuple[str, ...]:
    """The formats of a list such as "srt,vtt". Raises InputError for one that there is not."""
    names = tuple(
        dict.fromkeys(name.strip().lstrip(".").lower() for name in str(asked or "").split(",") if name.strip())
    )
    unknown = next((name for name in names if name not in FORMATS), None)
    if unknown is not None:
        raise InputError(f"unknown format {unknown!r}", hint=f"one or more of {','.join(FORMATS)}")
    return names


def write_text(transcript: Transcript) -> str:
    """The text, a line for each segment, as whisper writes it."""
    lines = [text for segment in transcript.segments if (text := " ".join(segment.text.split()))]
    lines = lines or ([transcript.text] if transcript.text else [])
    return "".join(f"{line}\n" for line in lines)


def write_srt(transcript: Transcript) -> str:
    """SubRip: numbered subtitles, with commas in their times."""
    subtitles = lay_out(transcript.segments, transcript.shape)
    blocks = (
        f"{number}\n{clock(one.start, ',')} --> {clock(one.end, ',')}\n{one.text}\n"
        for number, one in enumerate(subtitles, 1)
    )
    return "\n".join(blocks)


def write_vtt(transcript: Transcript) -> str:
    """WebVTT, https://www.w3.org/TR/webvtt1/: marks are written as entities."""
    subtitles = lay_out(transcript.segments, transcript.shape)
    blocks = [f"{clock(one.start, '.')} --> {clock(one.end, '.')}\n{escape(one.text)}\n" for one in subtitles]
    return "\n".join(["WEBVTT\n", *blocks])


def write_tsv(transcript: Transcript) -> str:
    """Whisper's table: start and end in milliseconds, and the text, a segment a line."""
    rows = [
        f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{' '.join(segment.text.split())}\n"
        for segment in transcript.segments
    ]
    return "".join(["start\tend\ttext\n", *rows])


def write_json(transcript: Transcript) -> str:
    """Whisper's JSON."""
    return f"{json.dumps(transcript.describe(), ensure_ascii=False)}\n"


def clock(seconds: float, point: str) -> str:
    """A time as 01:02:03.456."""
    whole = round(seconds * 1000)
    minutes, thousandths = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02}{point}{thousandths % 1000:03}"


def escape(text: str) -> str:
    """A text in WebVTT."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The text of WebVTT."""
    return TAGS.sub("", text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def read_subtitles(text: str) -> str:
    """The lines of SubRip and WebVTT that are shown."""
    kept: list[str] = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip().split("\n")
        times = next((place for place, line in enumerate(lines) if "-->" in line), None)
        if times is not None:
            kept += lines[times + 1 :]
    return "\n".join(kept)


def read_table(text: str) -> str:
    """The texts of whisper's table."""
    return "\n".join(line.split("\t", 2)[2] for line in text.splitlines()[1:] if line.count("\t") >= 2)


WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": write_text,
    "srt": write_srt,
    "vtt": write_vtt,
    "tsv": write_tsv,
    "json": write_json,
}
READERS: dict[str, Callable[[str], str]] = {
    "srt": read_subtitles,
    "vtt": lambda text: unescape(read_subtitles(text)),
    "tsv": read_table,
}
