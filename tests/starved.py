"""A producer that has less memory than it wants: run as a process by test_groups.py, since a limit holds for good.

starved.py TASK FOLDER MEGABYTES: a JSON line for each notice and each outcome.
"""

import json
import resource
import sys
from pathlib import Path

from genai_cli.device.spec import ModelSpec, Placing
from genai_cli.events import Event, Notice
from genai_cli.hub.names import parse_name
from genai_cli.modality.diffusion.request import SAFETY_COMPONENTS
from genai_cli.modality.image import ImageRequest
from genai_cli.modality.registry import load_catalog
from genai_cli.modality.text import TextRequest
from genai_cli.request.request import Request
from genai_cli.work.assignment import Assignment, Hints
from genai_cli.work.job import Job
from genai_cli.work.outcome import Failure
from genai_cli.work.producer import Producer

task, folder, megabytes = sys.argv[1], sys.argv[2], int(sys.argv[3])


def text(number: int, length: int) -> Request:
    return TextRequest(prompt="dark night " * length, model=folder, seed=number, max_new_tokens=3)


def image(number: int, side: int) -> Request:
    size = {"width": side, "height": side}
    return ImageRequest(prompt="a cat", model=folder, seed=number, num_inference_steps=1, safety=False, **size)


def show(event: Event) -> None:
    if isinstance(event, Notice):
        sys.stdout.write(json.dumps({"notice": event.text}) + "\n")


make, small, large, count = {"text": (text, 1, 450, 64), "image": (image, 64, 768, 1)}[task]
unused = SAFETY_COMPONENTS if task == "image" else frozenset()
spec = ModelSpec(task, parse_name(folder, task, load_catalog()), unused, placing=Placing(device="cpu", dtype="float32"))
assignment = Assignment(spec, hints=Hints(batch_size=64))
producer = Producer(show)
list(producer.produce(assignment, [Job(0, "0", "0", make(0, small))]))
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + megabytes * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
jobs = [Job(number, str(number), str(number), make(number, large)) for number in range(count)]
for outcome in producer.produce(assignment, jobs):
    ends = outcome.error.message if isinstance(outcome, Failure) else outcome.record
    code = outcome.error.exit_code if isinstance(outcome, Failure) else 0
    sys.stdout.write(json.dumps({"index": outcome.job.index, "code": code, "end": ends}) + "\n")
