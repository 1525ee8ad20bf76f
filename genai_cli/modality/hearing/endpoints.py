"""Transcripts over OpenAI's API: what genai's server answers, and what another server is asked.

https://platform.openai.com/docs/api-reference/audio
"""

from collections.abc import Callable

from genai_cli.content.openai_answers import not_an_answer
from genai_cli.content.segments import Segment, order_segments
from genai_cli.content.subtitles import Shape
from genai_cli.content.transcript import Transcript, split_formats
from genai_cli.errors import InputError
from genai_cli.events import Emit
from genai_cli.modality.service import Call, Service
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import FILE, FORM, Endpoint
from genai_cli.types import JsonObject

GRANULARITIES = "timestamp_granularities"
GIVES: JsonObject = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
NAMES = {"language": "language", "prompt": "initial_prompt", "temperature": "temperature"}


def read_form(body: JsonObject) -> list[JsonObject]:
    """The sound of a form, and whether the times of words are asked for. Raises InputError."""
    sound, asked = body.get("file"), body.get(GRANULARITIES) or ()
    if not isinstance(sound, Input):
        raise InputError("file must be a file of a form (multipart/form-data)")
    units = [asked] if isinstance(asked, str) else list(asked)
    unknown = next((unit for unit in units if unit not in ("word", "segment")), None)
    if unknown is not None:
        raise InputError(f"{GRANULARITIES} must be word or segment, not {unknown!r}")
    return [{"sound": sound, **({"word_timestamps": True} if "word" in units else {})}]


def answer_text(records: list[JsonObject]) -> JsonObject:
    """The text alone."""
    return {"text": records[0]["text"]}


def answer_whole(records: list[JsonObject]) -> JsonObject:
    """The text with its segments and words, as verbose_json has it."""
    record = records[0]
    names = ("language", "duration", "text", "segments")
    words = [word for segment in record["segments"] for word in segment.get("words", ())]
    whole = {"task": record["parameters"]["aim"], **{name: record[name] for name in names}}
    return {**whole, "words": words} if words else whole


def write_as(name: str) -> Callable[[list[JsonObject]], str]:
    """An answer in one of the formats of files."""

    def answer(records: list[JsonObject]) -> str:
        return Transcript.restore(records[0]).write(name)

    return answer


def make_endpoint(path: str, aim: str) -> Endpoint:
    """The address that transcribes, or the one that translates."""
    return Endpoint(
        f"/v1/audio/{path}",
        names=NAMES,
        read=read_form,
        answer=answer_text,
        ignored=frozenset({"file", GRANULARITIES, "response_format"}),
        defaults={"aim": aim},
        takes={"file": FILE, GRANULARITIES: {"type": "array", "items": {"enum": ["word", "segment"]}}},
        optional=frozenset({GRANULARITIES}),
        gives=GIVES,
        media_type=FORM,
        shapes={
            "json": answer_text,
            "text": write_as("txt"),
            "verbose_json": answer_whole,
            "srt": write_as("srt"),
            "vtt": write_as("vtt"),
        },
    )


def build_call(content: JsonObject, values: JsonObject) -> Call:
    """A sound to be written down, or translated."""
    del content
    body: JsonObject = {"response_format": "verbose_json", **SERVICE.name_options(values)}
    if values.get("word_timestamps"):
        body[f"{GRANULARITIES}[]"] = ["word", "segment"]
    path = "translations" if values.get("aim") == "translate" else "transcriptions"
    return Call(f"audio/{path}", body, values)


def read_answer(call: Call, answer: JsonObject, emit: Emit) -> Transcript:
    """The transcript; of a server that tells no segments, the text alone. Raises ModelError."""
    del emit
    text, listed = answer.get("text"), answer.get("segments") or []
    if not isinstance(text, str):
        raise not_an_answer()
    try:
        seconds = float(answer.get("duration") or 0)
        segments = [Segment.read({name: one[name] for name in ("start", "end", "text")}) for one in listed]
    except (KeyError, TypeError, ValueError):
        raise not_an_answer() from None
    if not segments and text.strip():
        segments = [Segment(0.0, seconds, text)]
    options = call.parameters
    language = answer.get("language")
    return Transcript.join(
        tuple(order_segments(segments)),
        language=language if isinstance(language, str) else None,
        seconds=seconds,
        shape=Shape(int(options.get("max_line_width", 42)), int(options.get("max_line_count", 2))),
        formats=split_formats(options.get("format")),
    )


SERVICE = Service(
    names={name: word for word, name in NAMES.items()},
    others=frozenset({"seed", "aim", "word_timestamps", "format", "max_line_width", "max_line_count"}),
    files={"sound": "file"},
    build=build_call,
    read=read_answer,
)
