"""The command that makes a result again, as a shell takes it."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from genai_cli.errors import InputError
from genai_cli.gallery.item import Item
from genai_cli.hub.reference import BUILT_IN
from genai_cli.modality.registry import list_requests
from genai_cli.request.option import Declared, convert, declared_options
from genai_cli.request.request import Request, list_inputs, list_parameters


def build_command(item: Item, file: Path | None) -> str | None:
    """The command with the model at its commit and every option; None where the record does not tell.

    What no option can state, such as the earlier turns of a conversation, is left to `genai rerun FILE`.
    """
    request_class = list_requests().get(item.text("task"))
    parameters = item.record.get("parameters")
    if request_class is None or not isinstance(parameters, dict) or not item.text("model", "id"):
        return None
    if (
        item.record.get("adapters") and file is not None
    ):  # which `genai rerun` finds, with the pictures that go with them
        return shlex.join(["genai", "rerun", "--", str(file)])
    declared = declared_options(request_class)
    stated = {name: value for name, value in parameters.items() if name in list_parameters(request_class)}
    if any(value not in (None, [], ()) and name not in declared for name, value in stated.items()):
        return None if file is None else shlex.join(["genai", "rerun", "--", str(file)])
    field = request_class.subject
    if request_class.instead is not None and request_class.instead in item.inputs:
        field = request_class.instead
    subject = find_subject(item, request_class, field)
    if not subject:
        return None
    model, revision = item.text("model", "id"), item.text("model", "revision")
    words = ["genai", request_class.task, "-m", f"{model}@{revision}" if revision and model != BUILT_IN else model]
    for name, value in stated.items():
        words += list_option_words(declared[name], value) if name in declared else ()
    words += [f"--{field}"] if field != request_class.subject else []
    for name in list_inputs(request_class):
        if name != field and name in item.inputs and name in declared:
            words += [declared[name].option.long, str(item.inputs[name].get("name", ""))]
    # Behind `--`, a text that begins with a dash is not an option.
    return shlex.join([*words, *(["--"] if subject.startswith("-") else []), subject])


def find_subject(item: Item, request_class: type[Request], field: str) -> str:
    """The command's argument: the prompt, or the name of the file in a field."""
    stated: Mapping[str, object] = item.inputs.get(field, {})
    return str(stated.get("name", "")) if field in list_inputs(request_class) else item.text(field)


def list_option_words(declared: Declared, value: object) -> Iterator[str]:
    """An option with its value; nothing where it has its default, or the record states what no option takes."""
    option = declared.option
    if value is None or value == declared.default or (isinstance(value, list) and not value):
        return
    try:
        read = convert(value, declared.hint, option.long)
        option.check(read)
    except InputError:  # the model's own scheduler has no short name
        return
    if isinstance(read, bool):
        on, _, off = option.names[0].partition("/")
        if read or off:
            yield on if read else off
        return
    for part in read if isinstance(read, tuple) else (read,):
        yield from (f"{option.long}={part}",) if str(part).startswith("-") else (option.long, str(part))
