"""The work at full size, without the start: the seconds in genai's records, compared with timed bare calls."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tools.bench.bench import MEGABYTE, Bench, Line, model_seconds, records, walls, write_rows
from tools.bench.lines.limits import probe_limits
from tools.bench.measure import Sample, spread
from tools.bench.report import Expectation

PROMPT = "an astronaut riding a horse"
NO_SLOWER = NO_MORE = Expectation(1.0)
HARDLY_SLOWER = Expectation(1.03)
NO_SLOWER_RATE = Expectation(1.0, at_least=True)
GPT2_BYTES, MUSICGEN_DECODER_BYTES = 4 * 124.4e6, 4 * 420e6  # read for every token, in float32
FRAMES = 50  # MusicGen's tokens for a second of sound


def image(bench: Bench) -> None:
    """Seconds per step and for the rest, from one picture with one step and one with more, in one process."""
    checkpoint, size, steps = bench.checkpoint("sd15"), bench.choose(512, 256), (1, 4)
    rows = [{"prompt": PROMPT, "steps": count, "seed": 1} for count in steps]
    prompts, folder = write_rows(bench.folder / "steps.jsonl", rows), bench.folder / "steps"
    options = ("--size", f"{size}x{size}", "--variant", "none", "--json", "-o", f"{folder}/")
    genai = bench.genai("image", "--prompts", prompts, "-m", checkpoint, *options, fresh=folder)
    script = bench.script("image_rate", checkpoint, size, *steps)
    taken = bench.measure("sd15", {"genai": genai, "the bare script": script}, bench.choose(3, 1))
    seconds = [step_and_rest(*picture_seconds(sample)) for sample in taken["genai"]]
    bare = [step_and_rest(*map(float, sample.stdout.split())) for sample in taken["the bare script"]]
    limits = probe_limits(bench)
    step_limit, rest_limit = (limits[f"{work}_{size}"] / limits["flops"] for work in ("step", "decoding"))
    for number, (what, limit) in enumerate(
        ((f"SD 1.5, a step at {size}x{size}", step_limit), ("the rest: text, VAE decoding, safety checker", rest_limit))
    ):
        figures = [taken[number] for taken in seconds], [taken[number] for taken in bare]
        notes = f"{limit / spread(figures[0]).median:.0%} of the matrix rate, which allows {limit:.2f} s"
        bench.add_pairs("sd15", what, "the bare script", "s", figures, NO_SLOWER, notes)


def picture_seconds(sample: Sample) -> list[float]:
    """The seconds of the two pictures, in the order of their steps."""
    ordered = sorted(records(sample), key=lambda record: record["parameters"]["num_inference_steps"])
    return [float(record["seconds"]["generate"]) for record in ordered]


def step_and_rest(one: float, four: float) -> tuple[float, float]:
    """Seconds of one UNet evaluation, and of everything else. PNDM takes 1 evaluation for 1 step and 5 for 4."""
    step = (four - one) / 4
    return step, one - step


def few_steps(bench: Bench) -> None:
    """Seconds of a picture with an LCM LoRA and --fast, 4 steps, against 50 steps of the model's own PNDM."""
    if find_spec("peft") is None:
        bench.skip("sd15-lcm", "peft is not installed")
        return
    size = bench.choose(192, 128)
    lora = Path(bench.checkpoint("lcm-lora")) / "pytorch_lora_weights.safetensors"
    shared = ("image", PROMPT, "-m", bench.checkpoint("sd15"), "--size", f"{size}x{size}", "--variant", "none")
    shared += ("--seed", 1, "--keep", "off", "--json", "-o", f"{bench.folder}/few/")
    against = "50 steps of PNDM"
    commands = {"LCM": bench.genai(*shared, "--lora", lora, "--fast"), against: bench.genai(*shared, "--steps", 50)}
    taken = bench.measure("sd15-lcm", commands, 1)
    ours, theirs = (taken[name] for name in commands)
    used = records(ours[0])[0]["parameters"]
    what = f"SD 1.5 at {size}x{size} with an LCM LoRA and --fast, {used['num_inference_steps']} steps"
    notes = f"{used['scheduler']}, guidance {used['guidance_scale']:g}"
    inside = list(map(model_seconds, ours)), list(map(model_seconds, theirs))
    bench.add_pairs("sd15-lcm", f"{what}, in the model", against, "s", inside, None, notes)
    bench.add_pairs("sd15-lcm", f"{what}, start to finished file", against, "s", (walls(ours), walls(theirs)))


def previews(bench: Bench) -> None:
    """Seconds in the model of a picture of 10 steps with a preview after each, against one without."""
    size = bench.choose(192, 128)
    shared = ("image", PROMPT, "-m", bench.checkpoint("sd15"), "--size", f"{size}x{size}", "--variant", "none")
    shared += ("--steps", 10, "--seed", 1, "--keep", "off", "--json", "-o", f"{bench.folder}/previews/")
    against = "genai without them"
    drawn = ("--preview-file", bench.folder / "preview.png")
    commands = {"previews": bench.genai(*shared, *drawn), against: bench.genai(*shared)}
    taken = bench.measure("previews", commands, bench.choose(5, 1))
    ours, theirs = (list(map(model_seconds, taken[name])) for name in commands)
    what = f"SD 1.5 at {size}x{size}, 10 steps with --preview-file"
    bench.add_pairs("previews", what, against, "s", (ours, theirs), HARDLY_SLOWER)


def gpt2(bench: Bench) -> None:
    """Tokens a second at batch 1."""
    text_rate(bench, "gpt2-batch-1", items=1, tokens=bench.choose(256, 64), batch_size=1)


def gpt2_batch(bench: Bench) -> None:
    """Tokens a second at batch 16."""
    if not bench.lacks("gpt2-batch-16", "text", "--batch-size"):
        text_rate(bench, "gpt2-batch-16", items=16, tokens=bench.choose(64, 24), batch_size=16)


def text_rate(bench: Bench, line: str, items: int, tokens: int, batch_size: int) -> None:
    """Add a row of tokens a second. With one item, no batch size is given."""
    checkpoint, prompts = bench.checkpoint("gpt2"), text_prompts(bench, items)
    options = ("--max-new-tokens", tokens, "--temperature", 0.7, "--seed", 1, "--json", "-o", "-")
    grouped = ("--batch-size", batch_size) if items > 1 else ()
    genai = bench.genai("text", "--prompts", prompts, "-m", checkpoint, *options, *grouped)
    script = bench.script("text_rate", checkpoint, tokens, batch_size, prompts)
    taken = bench.measure(line, {"genai": genai, "the bare script": script}, bench.choose(5, 1))
    made = items * tokens
    ours = [made / model_seconds(sample) for sample in taken["genai"]]
    theirs = [made / float(sample.stdout) for sample in taken["the bare script"]]
    limit = probe_limits(bench)["bandwidth"] / GPT2_BYTES
    notes = f"memory bandwidth allows {limit:.0f} at batch 1" if batch_size == 1 else ""
    what = f"GPT-2 124M, {tokens} tokens for each of {items}, batch {batch_size}"
    bench.add_pairs(line, what, "the bare script", "tokens/s", (ours, theirs), NO_SLOWER_RATE, notes)


def gpt2_int8(bench: Bench) -> None:
    """Tokens a second and peak memory with --quantize int8, against genai in float32."""
    if find_spec("torchao") is None:
        bench.skip("gpt2-int8", "torchao is not installed")
        return
    tokens = bench.choose(128, 48)
    options = ("--max-new-tokens", tokens, "--temperature", 0.7, "--seed", 1, "--json", "-o", "-")
    plain = ("text", "It was a dark and stormy night", "-m", bench.checkpoint("gpt2"), *options)
    commands = {"int8": bench.genai(*plain, "--quantize", "int8"), "float32": bench.genai(*plain)}
    taken = bench.measure("gpt2-int8", commands, bench.choose(5, 1))
    rates = [[tokens / model_seconds(sample) for sample in taken[name]] for name in commands]
    memory = [[sample.peak / MEGABYTE for sample in taken[name]] for name in commands]
    against = "genai in float32"
    rate = Expectation(1.8, at_least=True)
    what = f"GPT-2 124M, {tokens} tokens, --quantize int8"
    bench.add_pairs("gpt2-int8", what, against, "tokens/s", (rates[0], rates[1]), rate)
    bench.add_pairs("gpt2-int8", "its peak memory", against, "MB", (memory[0], memory[1]), NO_MORE)


def text_prompts(bench: Bench, items: int) -> Path:
    """Write a file with `items` different prompts of similar length."""
    file = bench.folder / f"prompts-{items}.txt"
    file.write_text("".join(f"It was a dark and stormy night in house {number}\n" for number in range(items)))
    return file


def musicgen(bench: Bench) -> None:
    """Seconds of work for a second of sound."""
    checkpoint, duration = bench.checkpoint("musicgen"), bench.choose(3, 1)
    options = ("--duration", duration, "--seed", 1, "--json", "-o", bench.folder / "rate.wav")
    genai = bench.genai("audio", "electric rock solo", "-m", checkpoint, *options)
    script = bench.script("audio_rate", checkpoint, duration)
    taken = bench.measure("musicgen", {"genai": genai, "the bare script": script}, bench.choose(3, 1))
    figures = (
        per_second(list(map(model_seconds, taken["genai"])), duration),
        per_second([float(sample.stdout) for sample in taken["the bare script"]], duration),
    )
    limit = FRAMES * MUSICGEN_DECODER_BYTES / probe_limits(bench)["bandwidth"]
    notes = f"the decoder's reading of its weights alone takes {limit:.2f} s"
    what = f"MusicGen-small, work for a second of sound ({duration} s made)"
    bench.add_pairs("musicgen", what, "the bare script", "s", figures, NO_SLOWER, notes)


def per_second(seconds: Sequence[float], duration: float) -> list[float]:
    """Seconds of work for one second of sound."""
    return [taken / duration for taken in seconds]


LINES = (
    Line("sd15", "SD 1.5: seconds a step and of the VAE decoding, against the bare script", image),
    Line("sd15-lcm", "SD 1.5: a picture with an LCM LoRA and --fast, against 50 steps of PNDM", few_steps),
    Line("previews", "SD 1.5: a picture with a preview after each step, against one without", previews),
    Line("gpt2-batch-1", "GPT-2: tokens a second at batch 1, against the bare script", gpt2),
    Line("gpt2-batch-16", "GPT-2: tokens a second at batch 16, against the bare script", gpt2_batch),
    Line("gpt2-int8", "GPT-2: tokens a second and memory with int8 weights, against float32", gpt2_int8),
    Line("musicgen", "MusicGen-small: seconds of work for a second of sound, against the bare script", musicgen),
)
