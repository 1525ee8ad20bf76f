"""A prompt and the turns before it become the text that a chat model reads. None of them is lost without a word."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from genai_cli.content.text import build_part
from genai_cli.errors import InputError, RefusedError
from genai_cli.events import Emit, Notice

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]
Content = str | list[dict[str, str]]
Form = Callable[[Message], Content]

WITHOUT = "--no-chat does without it"


def as_text(message: Message) -> Content:
    """The content as most templates read it."""
    return message["content"]


def as_parts(message: Message) -> Content:
    """The content as templates of models that also see pictures read it."""
    return [build_part(message["content"])]


def as_parts_but_system(message: Message) -> Content:
    """Some templates read parts, and the system message as text."""
    return as_text(message) if message["role"] == "system" else as_parts(message)


FORMS: tuple[Form, ...] = (as_text, as_parts, as_parts_but_system)


def render_chat(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], emit: Emit) -> str:
    """The messages in the model's chat template, in the form that it reads. The last message is the prompt.

    Raises RefusedError where the template reaches out of its sandbox, and InputError where it fails, or where the
    prompt or a system message has no place in it. Other turns that it leaves out are told.
    """
    readings: list[tuple[list[int], Form]] = []
    failure: InputError | None = None
    for form in FORMS:
        try:
            readings.append((find_lost(tokenizer, messages, form), form))
        except InputError as error:
            failure = failure or error
            continue
        if not readings[-1][0]:
            break
    if not readings:
        raise failure or InputError("the model's chat template gives no text", hint=WITHOUT)
    # What matters most is that the prompt is read, then the system message.
    lost, form = min(readings, key=lambda reading: rank_loss(reading[0], messages))
    if len(messages) - 1 in lost:
        raise failure or InputError("the model's chat template has no place for the prompt", hint=WITHOUT)
    if any(messages[at]["role"] == "system" for at in lost):
        raise InputError("the model's chat template has no place for a system message", hint="put it into the prompt")
    if lost:
        emit(Notice(f"the model's chat template leaves out {len(lost)} of the {len(messages)} messages"))
    text = apply_template(tokenizer, messages, form)
    words = messages[-1]["content"].casefold().split()
    if not any(word in text.casefold() for word in words):
        raise InputError("the model's chat template leaves the prompt out", hint=WITHOUT)
    return text


def rank_loss(lost: Sequence[int], messages: Sequence[Message]) -> tuple[bool, bool, int]:
    """How bad it is to lose these messages."""
    return len(messages) - 1 in lost, any(messages[at]["role"] == "system" for at in lost), len(lost)


def find_lost(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], form: Form) -> list[int]:
    """Which messages do not come out of the template: each is replaced by a word that no template holds."""
    marked = [{**message, "content": f"genaiword{at}x"} for at, message in enumerate(messages)]
    text = apply_template(tokenizer, marked, form).casefold()
    return [at for at, message in enumerate(marked) if message["content"] not in text]


def apply_template(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], form: Form) -> str:
    """The messages in the model's chat template, which the library runs in a sandbox."""
    from jinja2.exceptions import SecurityError

    turns = [{**message, "content": form(message)} for message in messages]
    try:
        return str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    except SecurityError as error:
        raise RefusedError(f"the model's chat template is unsafe: {error}", hint=WITHOUT) from error
    except MemoryError:
        raise
    except Exception as error:  # a template is a program of the checkpoint, and fails in any way that one can
        raise InputError(
            f"the model's chat template failed: {str(error).strip() or type(error).__name__}",
            hint=f"{WITHOUT}; some take no --system",
        ) from error
