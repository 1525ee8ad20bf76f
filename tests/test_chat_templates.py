"""Chat templates of every form: what they read as a list of parts, and what they have no place for."""

import json
from pathlib import Path

import pytest
from checkpoints import CHAT_TEMPLATE
from checkpoints_decoding import PARTS_TEMPLATE, build_templated_llama
from conftest import RunMain
from transformers import AutoTokenizer

from genai_cli.errors import InputError, RefusedError
from genai_cli.events import Event, Notice
from genai_cli.modality.decoding.chat import render_chat

HEAD, TAIL = "{% for message in messages %}", "{% endfor %}"
SYSTEM_AS_TEXT = (
    HEAD + "{% if message.role == 'system' %}[{{ message.content }}]{% if message.content is not string %}"
    "{{ raise_exception('a system message is text') }}{% endif %}{% else %}{{ message.content[0].text }}{% endif %}"
    + TAIL
)
FORMS = {
    "text": CHAT_TEMPLATE,
    "parts": PARTS_TEMPLATE,
    "parts, or an error": HEAD + "{{ message.content[0]['text'] + '.' }}" + TAIL,
    "either": HEAD + "{% if message.content is string %}{{ message.content }}{% else %}"
    "{{ message.content[0].text }}{% endif %}" + TAIL,
    "system as text": SYSTEM_AS_TEXT,
    "upper case": HEAD + "{{ message.content | upper }}" + TAIL,
    "JSON": "{{ messages | tojson }}",
}
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "Two."},
    {"role": "user", "content": "Is <that> so?"},
]


def make_tokenizer(tmp_path: Path, template: str) -> AutoTokenizer:
    return AutoTokenizer.from_pretrained(build_templated_llama(tmp_path / "m", template))


@pytest.mark.parametrize("form", FORMS)
def test_every_message_comes_out(tmp_path: Path, form: str) -> None:
    events: list[Event] = []
    text = render_chat(make_tokenizer(tmp_path, FORMS[form]), TURNS, events.append)
    for word in ("brief", "one?", "two.", "so?"):
        assert word in text.casefold()
    assert events == []


def test_a_template_of_parts_answers_to_the_prompt(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_templated_llama(tmp_path / "m", PARTS_TEMPLATE)
    plain = build_templated_llama(
        tmp_path / "plain",
        PARTS_TEMPLATE.replace("part in message['content']", "part in [message]")
        .replace("part['type'] == 'text'", "true")
        .replace("part['text']", "part['content']"),
    )
    options = ["--temperature", "0", "--max-new-tokens", "12", "--json"]
    records = [
        json.loads(run_main("text", prompt, "-m", model, *options).stdout)
        for prompt in ("Who are you?", "What is a horse?")
        for model in (folder, plain)
    ]
    assert records[0]["text"] == records[1]["text"] != records[2]["text"] == records[3]["text"]
    assert records[0]["tokens"]["prompt"] == records[1]["tokens"]["prompt"]


LOSING = {
    "nothing": "hello",
    "the first turn alone": "{{ messages[0].content }}",
    "another field": HEAD + "{{ message.text }}" + TAIL,
}


@pytest.mark.parametrize("kind", LOSING)
def test_a_prompt_is_never_lost(run_main: RunMain, tmp_path: Path, kind: str) -> None:
    folder = build_templated_llama(tmp_path / "m", LOSING[kind])
    done = run_main("text", "Who?", "--system", "Be brief.", "-m", folder)
    assert (done.code, done.stdout) == (2, "")
    assert "has no place for the prompt" in done.stderr
    assert run_main("text", "Who?", "--no-chat", "-m", folder, "--max-new-tokens", "3", "--seed", "1").code == 0


def test_a_prompt_that_the_template_takes_for_something_else_is_not_lost(run_main: RunMain, tmp_path: Path) -> None:
    template = HEAD + "{% if '/quiet' in message.content %}{% else %}{{ message.content }}{% endif %}" + TAIL
    folder = build_templated_llama(tmp_path / "m", template)
    done = run_main("text", "/quiet please", "-m", folder)
    assert (done.code, "leaves the prompt out" in done.stderr) == (2, True)


def test_a_system_message_is_never_lost(run_main: RunMain, tmp_path: Path) -> None:
    template = HEAD + "{% if message.role != 'system' %}{{ message.content }}{% endif %}" + TAIL
    folder = build_templated_llama(tmp_path / "m", template)
    done = run_main("text", "Who?", "--system", "Be brief.", "-m", folder)
    assert (done.code, "no place for a system message" in done.stderr) == (2, True)
    assert run_main("text", "Who?", "-m", folder, "--max-new-tokens", "3", "--seed", "1").code == 0


def test_turns_that_a_template_leaves_out_are_told(tmp_path: Path) -> None:
    events: list[Event] = []
    tokenizer = make_tokenizer(tmp_path, "{{ messages[0].content }} {{ messages[-1].content }}")
    assert "so?" in render_chat(tokenizer, TURNS, events.append)
    assert events == [Notice("the model's chat template leaves out 2 of the 4 messages")]


FAILING = {
    "a type": HEAD + "{{ message.content + 1 }}" + TAIL,
    "a value": "{{ [1].index(2) }}",
    "a division": "{{ 1 // 0 }}",
    "a name": "{{ missing.thing }}",
    "its own": "{{ raise_exception('not for you') }}",
    "a syntax error": "{% for %}",
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_template_that_fails_is_no_bug_of_genai(run_main: RunMain, tmp_path: Path, kind: str) -> None:
    done = run_main("text", "Who?", "-m", build_templated_llama(tmp_path / "m", FAILING[kind]))
    assert (done.code, "chat template failed" in done.stderr) == (2, True), done.stderr


def test_a_template_that_reaches_out_is_refused(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path, "{{ messages.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(RefusedError):
        render_chat(tokenizer, TURNS, lambda _: None)


def test_no_word_of_a_template_passes_for_a_prompt(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        render_chat(make_tokenizer(tmp_path, "assistant: a I"), [{"role": "user", "content": "a"}], lambda _: None)
