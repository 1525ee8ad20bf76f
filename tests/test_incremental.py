"""Tokens become text one after the other: never an error, never the prompt again, and the tokenizer's own text."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoint_parts import changed_weights
from checkpoints_decoding import (
    END_OF_TURN,
    build_byte_llama,
    build_im_end_llama,
    byte_fallback_tokenizer,
    byte_level,
    encode_ascii,
    unigram_byte_tokenizer,
    wordpiece_tokenizer,
    wrap_tokenizer,
)
from conftest import RunMain
from readers import record_of

from genai_cli.modality.decoding.incremental import CUT, IncrementalDecoder, list_special_tokens
from genai_cli.modality.decoding.streaming import PieceStream

KINDS: dict[str, Callable[[], Any]] = {
    "llama": byte_fallback_tokenizer,
    "gemma": lambda: byte_fallback_tokenizer(metaspace=True),
    "unigram": unigram_byte_tokenizer,
    "wordpiece": wordpiece_tokenizer,
    "gpt2": byte_level,
}
STREAMS = 2000


def decode_one_by_one(tokenizer: Any, prompt: list[int], tokens: list[int]) -> str:
    decoder = IncrementalDecoder(tokenizer, prompt)
    return "".join(decoder(token) or "" for token in tokens)


def draw_tokens(chance: random.Random, backend: Any) -> list[int]:
    """Random tokens: a third of the streams mostly bytes, a third any tokens, a third a text with a few more."""
    size = backend.get_vocab_size()
    some_bytes = [token for name, token in backend.get_vocab().items() if name.startswith("<0x")]
    kind = chance.randrange(3)
    if kind == 0 and some_bytes:
        return [chance.choice(some_bytes) if chance.random() < 0.7 else chance.randrange(size) for _ in range(12)]
    if kind == 1:
        return [chance.randrange(size) for _ in range(12)]
    text = "".join(chance.choice(["the ", "é", "你", "a", " ", "b, c", "\N{GUITAR}", "\n"]) for _ in range(8))
    tokens = list(backend.encode(text).ids)
    if chance.random() < 0.5 and len(tokens) > 1:
        del tokens[chance.randrange(len(tokens))]
    return tokens


@pytest.mark.parametrize("kind", KINDS)
def test_no_stream_of_tokens_is_an_error(kind: str) -> None:
    backend = KINDS[kind]()
    tokenizer, chance = wrap_tokenizer(backend), random.Random(7)
    exact = 0
    for _ in range(STREAMS):
        prompt = backend.encode(chance.choice(["the a", "it was", f"the {CUT}", "the é", "the 你", "b"])).ids
        tokens = draw_tokens(chance, backend)
        text = decode_one_by_one(tokenizer, prompt, tokens)
        before, whole = backend.decode(prompt), backend.decode([*prompt, *tokens])
        if CUT not in whole and whole.startswith(before):
            assert text == whole[len(before) :]
            exact += 1
        if kind in ("llama", "gemma"):
            ended = [*tokens, backend.token_to_id("z")]
            letters = decode_one_by_one(tokenizer, prompt, ended)
            plain = "".join(letter for letter in letters if letter.isascii() and letter.isprintable())
            assert plain.endswith("z")
            # No letter of an ordinary token is lost, whatever bytes stand around it.
            left = iter(plain)
            assert all(letter in left for letter in encode_ascii(ended, backend)), (tokens, letters)
    assert exact > 50


@pytest.mark.parametrize("kind", ["llama", "gemma", "gpt2"])
@pytest.mark.parametrize("text", ["the é and 你好 🎸 the end", "ab\ncd  ef", "éé你", f"x{CUT}y{CUT}{CUT}z"])
def test_a_text_comes_back_as_it_was(kind: str, text: str) -> None:
    backend = KINDS[kind]()
    tokens = backend.encode(text).ids
    assert decode_one_by_one(wrap_tokenizer(backend), backend.encode("the").ids, tokens).strip() == text


def test_a_character_cut_short_costs_no_other() -> None:
    backend = byte_fallback_tokenizer()
    tokens = [backend.token_to_id(name) for name in ("<0xC3>", "<0xA9>", "<0xE4>", "a", "<0xE4>", "<0xBD>", "<0xA0>")]
    assert decode_one_by_one(wrap_tokenizer(backend), backend.encode("b").ids, tokens) == f"é{CUT}a你"


@pytest.mark.parametrize("kind", ["llama", "gpt2", "unigram"])
@pytest.mark.parametrize("ending", [CUT, CUT * 3, f"ab{CUT}"])
def test_a_prompt_that_ends_in_a_replacement_character_does_not_come_back(kind: str, ending: str) -> None:
    backend = KINDS[kind]()
    prompt = backend.encode(f"the {ending}").ids
    tokens = [backend.token_to_id(name) for name in "abc"]
    assert decode_one_by_one(wrap_tokenizer(backend), prompt, tokens) == "abc"


def test_a_prompt_that_ends_within_a_character_is_completed() -> None:
    backend = byte_level()
    prompt, rest = (ids := backend.encode("x你").ids)[:-1], ids[-1:]
    assert backend.decode(prompt).endswith(CUT)
    assert decode_one_by_one(wrap_tokenizer(backend), prompt, rest) == "你"


def test_a_tokenizer_without_a_backend_is_decoded_too() -> None:
    class Slow:
        """What of a tokenizer in Python is asked for, over a real one."""

        def __init__(self) -> None:
            self.real = wrap_tokenizer(byte_fallback_tokenizer())

        def __len__(self) -> int:
            return len(self.real)

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return self.real(*arguments, **options)

        def decode(self, ids: list[int], **options: Any) -> str:
            return str(self.real.decode(ids, **options))

    real = byte_fallback_tokenizer()
    tokens = real.encode("the é 你").ids
    assert decode_one_by_one(Slow(), real.encode(f"b{CUT}").ids, [*tokens, 10**6]).strip() == "the é 你"


@pytest.mark.parametrize("prompt", [f"It was {CUT}", f"It was{CUT}{CUT}", "It was \N{GUITAR}"])
def test_the_prompt_is_shown_once_or_not_at_all(run_main: RunMain, gpt2: Path, prompt: str) -> None:
    options = ["-m", str(gpt2), "--seed", "3", "--max-new-tokens", "12"]
    echoed, bare = (run_main("text", prompt, *options, echo).stdout for echo in ("--echo", "--no-echo"))
    assert "It was" not in bare
    assert echoed == prompt + bare
    Path("p.csv").write_text(f"prompt\n{prompt}\n", encoding="utf-8")
    done = run_main("text", "--prompts", "p.csv", *options, "-o", "out.csv")
    assert done.code == 0, done.stderr
    rows = Path("out.csv").read_text(encoding="utf-8")
    assert rows.count("It was") == 1


def test_byte_tokens_do_not_stop_a_run(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_byte_llama(tmp_path / "bytes")
    done = run_main(
        "text", "the", "-m", folder, "-n", "16", "--seed", "1", "--temperature", "3", "--top-k", "0", "--json"
    )
    assert done.code in (0, 3), done.stderr
    assert "bug" not in done.stderr
    assert len(done.lines) == 16


# Stop texts that are special tokens


def test_a_stop_text_may_hold_a_special_token() -> None:
    words = {1: "one", 2: " two", 3: "", 4: "x"}
    pieces: list[str] = []
    for stop, text in (["<e>"], "one two"), ([" two<e>"], "one"), (["<e>x"], "one two"), (["<e>y"], "one twox"):
        pieces.clear()
        stream = PieceStream(words.get, stop, 10, pieces.append, {3: "<e>"})
        for token in (1, 2, 3, 4):
            stream.add(token, False)
        stream.add(0, True)
        assert (stream.text, "".join(pieces)) == (text, text)
        assert stream.made == (5 if stop == ["<e>y"] else 4 if stop == ["<e>x"] else 3)


def make_talkative(folder: Path, token: str) -> None:
    """Make the special token likelier, so that it comes early."""
    import torch
    from tokenizers import Tokenizer

    number = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id(token)
    with changed_weights(folder / "model.safetensors") as tensors:
        head = tensors["lm_head.weight"]
        head[number] = head[number] + 0.5 * torch.sign(head.mean(dim=0))
        head[number] *= 3


def test_a_special_token_ends_the_text_where_it_is_a_stop_text(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_im_end_llama(tmp_path / "turns")
    make_talkative(folder, END_OF_TURN)
    options = ["-m", str(folder), "--seed", "5", "--max-new-tokens", "60", "--no-echo", "-o"]
    assert run_main("text", "It was", *options, "a.txt").code == 0
    done = run_main("text", "It was", *options, "b.txt", "--stop", END_OF_TURN)
    assert done.code == 0, done.stderr
    whole, cut = record_of(Path("a.txt")), record_of(Path("b.txt"))
    assert (whole["finish_reason"], cut["finish_reason"]) == ("length", "stop")
    assert cut["tokens"]["completion"] < whole["tokens"]["completion"]
    assert whole["text"].startswith(cut["text"])
    assert END_OF_TURN not in cut["text"]


def test_a_special_token_ends_openai_s_rows(run_main: RunMain, tmp_path: Path) -> None:
    folder = build_im_end_llama(tmp_path / "turns")
    make_talkative(folder, END_OF_TURN)
    body = {"model": str(folder), "prompt": "It was", "seed": 5, "max_tokens": 60, "stop": END_OF_TURN}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": body}
    Path("rows.jsonl").write_text(json.dumps(row) + "\n")
    done = run_main("batch", "rows.jsonl", "-o", "out.jsonl", "--format", "openai")
    assert done.code == 0, done.stderr
    answer = json.loads(Path("out.jsonl").read_text().splitlines()[0])["response"]["body"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_special_tokens_are_told_by_their_ids() -> None:
    tokenizer = wrap_tokenizer(byte_fallback_tokenizer(), eos_token="</s>")
    assert list_special_tokens(tokenizer) == {0: "<unk>", 1: "<s>", 2: "</s>"}
