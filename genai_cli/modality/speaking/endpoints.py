"""Speech over OpenAI's API: what genai's server answers, and what another server is asked.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

import base64
from collections.abc import Callable

from genai_cli.content.openai_answers import DATA
from genai_cli.content.sound import Sound
from genai_cli.errors import InputError, ModelError
from genai_cli.events import Emit
from genai_cli.modality.service import Call, Service
from genai_cli.modality.speaking.voices import is_file_name
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import Endpoint, SentFile
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject

NAMES = {"speed": "speed", "language": "language", "seed": "seed"}
FORMATS = {"mp3": ".mp3", "opus": ".opus", "flac": ".flac", "wav": ".wav", "pcm": ".wav"}
TYPES = {"mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav"}
# The hosted service's own voices, which programs name that know no others: the model's first voice stands for them.
HOSTED = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
RAW_RATE = 24_000  # of "pcm": 16 bits, little-endian, one channel, without a head


def read_speech(body: JsonObject) -> list[JsonObject]:
    """The text, and the voice where it is the model's own. Raises InputError."""
    text, voice = body.get("input"), body.get("voice")
    if not isinstance(text, str):
        raise InputError("input must be text")
    if voice is None or voice in HOSTED:
        return [{PROMPT: text}]
    if not isinstance(voice, str):
        raise InputError("voice must be the name of a voice")
    if is_file_name(voice):  # a file of the machine that serves
        raise InputError(f"{voice!r} is a file, and a request may name none", hint="name a voice of the model")
    return [{PROMPT: text, "voice": voice}]


def answer_batch(records: list[JsonObject]) -> JsonObject:
    """The sound in a line of a batch, as pictures stand there: the hosted service has no batches of speech."""
    return {"object": "audio.speech", DATA: records[0][DATA]}


def send_as(name: str) -> "Callable[[list[JsonObject]], SentFile]":
    """The sound itself in one of the formats of files."""

    def answer(records: list[JsonObject]) -> SentFile:
        return SentFile(base64.b64decode(records[0][DATA]), TYPES[name])

    return answer


ENDPOINT = Endpoint(
    "/v1/audio/speech",
    names=NAMES,
    read=read_speech,
    answer=answer_batch,
    ignored=frozenset({"input", "voice", "response_format"}),
    formats=FORMATS,
    format_field="response_format",
    first_format="mp3",
    takes={"input": {"type": "string", "minLength": 1}, "voice": {"type": ["string", "null"]}},
    optional=frozenset({"voice"}),
    shapes={name: send_as(name) for name in TYPES},
    media_types=(*TYPES.values(), "audio/pcm"),
    flows={"pcm": RAW_RATE},
    most=1,
)


def build_call(content: JsonObject, values: JsonObject) -> Call:
    """A text to be said, as a WAV. Raises InputError for a voice in a file, which the API does not take."""
    voice = values.get("voice") or HOSTED[0]
    body: JsonObject = {"input": content[PROMPT], "voice": voice, "response_format": "wav"}
    return Call("audio/speech", {**body, **SERVICE.name_options(values)}, values)


def read_answer(call: Call, answer: JsonObject, emit: Emit) -> Sound:
    """The sound. Raises ModelError."""
    del call
    data = answer.get(DATA)
    try:
        return Sound.read(Input.hold(data if isinstance(data, bytes) else b"", "the server's sound"), emit)
    except InputError as error:
        raise ModelError(error.message) from None


SERVICE = Service(
    names={"speed": "speed", "language": "language"},
    others=frozenset({"voice", "seed"}),
    build=build_call,
    read=read_answer,
    answers_file=True,
)
