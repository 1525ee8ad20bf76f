"""Speech as text against other programs, with the real weights of Whisper tiny.en: time, and words that are wrong."""

import re
import shutil
import subprocess
from importlib.util import find_spec

from tools.bench.bench import Bench, Line, records
from tools.bench.measure import Command, FailedError, Sample
from tools.bench.report import Expectation

PEERS = {
    "openai-whisper": "whisper",
    "faster-whisper-greedy": "faster_whisper",
    "faster-whisper-beam-5": "faster_whisper",
    "whisper.cpp": "pywhispercpp",
}
VOICES = (
    ("flite", "-voice", "slt", "-t", "{text}", "-o", "{file}"),
    ("espeak-ng", "-s", "150", "-w", "{file}", "{text}"),
)
TEXT = """
The old sailor put his glass upon the table, and looked at the door for a long time without a word. In the morning the
wind had changed, and the ship lay quietly in the harbor. Nobody on the island had seen a vessel of this size before.
The children ran down to the beach and shouted. When the doctor came home that evening, his wife told him what had
happened at the market. Three men from the city had bought all the horses, and paid for them in gold. Nothing is so
painful to the human mind as a great and sudden change. The sun might shine, or the clouds might lower, but nothing
could appear to me as it had done the day before. The train arrived after dark. Two ladies with large hats got off,
followed by a porter who carried their luggage. The station was small and very clean. If you want to know the truth,
the hardest part of the work was not the climbing but the waiting. We sat for hours in the snow, and talked about
food, and warm rooms, and our friends at home. She opened the letter with trembling hands. It was written in blue ink,
on thick paper, and it began with the words that she had hoped to read for many years. The house stood alone at the
end of a narrow road. Its windows were dark, and the garden was full of weeds. An owl called from the roof, and
somewhere a dog was barking. My brother wanted to be a painter, but there was no money for lessons. So he drew with
coal on the walls of the barn, and in the end people came from the village to look. The judge listened to both sides,
took off his glasses, and said that he would think about it until the next day. After lunch the rain stopped, and the
whole family walked along the river to the old bridge.
"""
WORD = re.compile(r"[a-z']+")


def count_errors(heard: str) -> float:
    """The words that are wrong, missing or too many, as a share of those that were spoken."""
    said, found = WORD.findall(TEXT.lower()), WORD.findall(heard.lower())
    row = list(range(len(found) + 1))
    for place, word in enumerate(said, 1):
        before, row[0] = row[0], place
        for other, taken in enumerate(found, 1):
            before, row[other] = row[other], min(before + (word != taken), row[other] + 1, row[other - 1] + 1)
    return row[-1] / len(said)


def speak(bench: Bench, name: str, text: str) -> str | None:
    """A sound of the text by the first program that there is; None where there is none."""
    file = bench.folder / f"{name}.wav"
    for program, *arguments in VOICES:
        if shutil.which(program):
            subprocess.run(
                [program, *(one.format(text=" ".join(text.split()), file=file) for one in arguments)],
                check=True,
                capture_output=True,
            )
            return str(file)
    return None


def race(bench: Bench) -> None:
    """Hear about two minutes of speech with each program in turn."""
    line = "transcribe"
    if bench.device != "cpu":
        return bench.skip(line, "raced on a processor only")
    sound, short = speak(bench, "talk", TEXT), speak(bench, "short", "Good morning.")
    if sound is None or short is None:
        return bench.skip(line, "neither flite nor espeak-ng is here to speak a text")
    try:
        models = bench.checkpoint("hearing")
    except RuntimeError as error:
        return bench.skip(line, f"the real weights are not here: {str(error).strip().splitlines()[-1]}")
    ours = ["transcribe", short, sound, "-m", f"{models}/transformers", "-o", "-", "--json", "--keep", "off"]
    commands: dict[str, Command] = {
        "genai int8": bench.genai(*ours, "--quantize", "int8"),
        "genai float32": bench.genai(*ours),
    }
    for name, module in PEERS.items():
        if find_spec(module) is None:
            bench.skip(f"{line}: {name}", f"{module} is not installed")
        else:
            commands[name] = bench.script("hear", name, models, short, sound)
    for name, command in list(commands.items()):
        try:
            bench.measure(f"{line} try", {name: command}, 1)
        except FailedError as error:
            bench.skip(f"{line}: {name}", " ".join(str(error).split()))
            del commands[name]
    taken = bench.measure(line, commands, bench.choose(3, 1))
    heard = {name: [read_sample(one) for one in samples] for name, samples in taken.items()}
    for name, answers in heard.items():
        seconds = [one[0] for one in answers]
        errors = f"word error {count_errors(answers[0][1]):.3f}"
        if name == "genai int8":
            bench.add_own(line, f"{name}, two minutes of speech", "s", seconds, None, errors)
            continue
        goal = {"faster-whisper-greedy": Expectation(1), "openai-whisper": Expectation(1 / 3)}.get(name)
        if "genai int8" in heard:
            pair = ([one[0] for one in heard["genai int8"]], seconds)
            bench.add_pairs(line, "genai int8, two minutes of speech", name, "s", pair, goal, errors)
    return None


def read_sample(sample: Sample) -> tuple[float, str]:
    """The seconds and the text of the longer sound."""
    last = records(sample)[-1]
    if "parameters" in last:
        longest = max(records(sample), key=lambda record: float(record["duration"]))
        return float(longest["seconds"]["generate"]), str(longest["text"])
    return float(last["seconds"]), str(last["text"])


def race_small(bench: Bench) -> None:
    """Windows of 30 s and a number of tokens, by the layers of `--quantize int8` and by faster-whisper's engine."""
    line = "transcribe-small"
    if bench.device != "cpu":
        return bench.skip(line, "raced on a processor only")
    try:
        models = bench.checkpoint("hearing-small")
    except RuntimeError as error:
        return bench.skip(line, str(error).strip().splitlines()[-1])
    windows, tokens = 4, bench.choose(100, 30)
    names = ("genai", "ctranslate2")
    commands = {name: bench.script("hear_rate", name, models, windows, tokens) for name in names}
    taken = bench.measure(line, commands, bench.choose(3, 1))
    ours, theirs = ([float(records(sample)[-1]["seconds"]) for sample in taken[name]] for name in names)
    what = f"{windows} windows of Whisper small, {tokens} tokens each, int8"
    bench.add_pairs(line, what, "CTranslate2, int8", "s", (ours, theirs), Expectation(1))
    return None


LINES = (
    Line("transcribe-race", "two minutes of speech by genai, openai-whisper, faster-whisper and whisper.cpp", race),
    Line("transcribe-small", "Whisper small with random weights, against the engine of faster-whisper", race_small),
)
