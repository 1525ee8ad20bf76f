"""Texts from a server: a chat, or a prompt that is continued."""

from genai_cli.content.openai_answers import read_said
from genai_cli.content.text import Text
from genai_cli.events import Emit
from genai_cli.modality.service import Call, Service
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject


def build_call(content: JsonObject, values: JsonObject) -> Call:
    """A chat, where `--no-chat` does not ask for the bare prompt."""
    is_chat = values.get("chat") is not False
    options = SERVICE.name_options(values)
    # Both decide what the text is, and are recorded as they are with a model on this machine.
    parameters = {**values, "chat": is_chat, "echo": not is_chat and values.get("echo", True)}
    if not is_chat:
        return Call("completions", {PROMPT: content[PROMPT], **options}, parameters)
    system = [{"role": "system", "content": values["system"]}] if "system" in values else []
    messages = [*system, *values.get("messages", ()), {"role": "user", "content": content[PROMPT]}]
    return Call("chat/completions", {"messages": messages, **options}, parameters)


def read_answer(call: Call, answer: JsonObject, emit: Emit) -> Text:
    """The text, after its prompt where that is shown. Raises ModelError."""
    del emit
    said = read_said(answer)
    return Text(show_before(call) + said.text, said.text, said.finish_reason, said.tokens)


def show_before(call: Call) -> str:
    """What is shown before the text that a server makes."""
    return str(call.body[PROMPT]) if call.parameters["echo"] else ""


SERVICE = Service(
    names={
        **{name: name for name in ("seed", "temperature", "top_p", "stop")},
        "max_new_tokens": "max_tokens",
    },
    others=frozenset({"chat", "echo", "system", "messages"}),
    build=build_call,
    read=read_answer,
    before=show_before,
)
