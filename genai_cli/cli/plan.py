"""`--dry-run`: what a command would make and what is done already, which models, and what they would have to fetch."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from genai_cli.cli.console import Console
from genai_cli.content.record import to_json
from genai_cli.errors import GenaiError, ModelError, NetworkError
from genai_cli.events import Notice, ignore
from genai_cli.hub.adapters import find_adapters
from genai_cli.hub.address import is_address
from genai_cli.hub.fetching import is_offline, resolve
from genai_cli.hub.files import FetchOptions
from genai_cli.hub.names import parse_name
from genai_cli.hub.reference import BUILT_IN, ModelReference
from genai_cli.hub.size import count_bytes_to_fetch, measure_free_disk, open_settings
from genai_cli.modality.registry import find_modality, load_catalog
from genai_cli.request.rows import FileRows, Rows
from genai_cli.sizes import show_bytes
from genai_cli.store.names import DEFAULT_TEMPLATE, Destination
from genai_cli.work.job import References
from genai_cli.work.orders import Orders, Survey
from genai_cli.work.report import Report
from genai_cli.work.runner import Problems, RunSettings, Todo, list_jobs, look_up, name_fields


@dataclass(frozen=True)
class PlannedModel:
    """A model that would be used: how many items it makes and the bytes to fetch (None: unknown, the hub is not asked).

    `problem` says why it is not available, `needed_by` names the model that cannot do without it.
    """

    model: str
    task: str
    items: int
    bytes_to_fetch: int | None
    problem: str | None = None
    needed_by: str | None = None


def show_plan(orders: Orders, todo: Todo, settings: RunSettings, as_json: bool, console: Console) -> None:
    """Say how many items of which kinds, what is finished, and which models; nothing is loaded or written.

    Raises the GenaiError of the only model, where it is not available.
    """
    survey = orders.survey
    if all(settings.access.offline or adapter.sha256 for adapter in survey.adapters):
        orders.adapters = find_adapters(survey.adapters, settings.access, load_catalog(), console.emit)
    references, problems = look_up(survey.needs, settings, console.emit)
    models = [*plan_models(survey, references, problems, settings)]
    to_make = survey.items
    if todo.writer is not None and (todo.writer.look() or todo.writer.shard):
        to_make = sum(not todo.is_ended(job) for job in list_jobs(orders, references, todo.writer))
    to_make = to_make if todo.limit is None else min(to_make, todo.limit)
    free = measure_free_disk() if any(model.bytes_to_fetch != 0 for model in models) else None
    if as_json:
        report = todo.report
        counts: dict[str, object] = {"items": survey.items, "tasks": count_tasks(survey), "done": report.done_earlier}
        counts |= {"failed": report.failed_earlier, "bad": survey.bad, "to_make": to_make}
        console.line(to_json({**counts, "models": [asdict(model) for model in models], "free_disk": free}))
        return
    for line in plan_lines(survey, todo.report, to_make, models, free):
        console.emit(Notice(line))


def plan_models(
    survey: Survey, references: References, problems: Problems, settings: RunSettings
) -> Iterator[PlannedModel]:
    """Each model with what it would have to fetch."""
    catalog, access = load_catalog(), settings.access
    for needs, items in survey.needs.items():
        name = (needs.task, needs.model)
        reference, problem = references[name], problems.get(name)
        size = None
        try:
            if problem is None and reference.server is not None:
                size = 0
            elif problem is None:
                kind, placing = catalog.kind(needs.task), settings.placing.follow(needs.made_in)
                options = FetchOptions(kind, catalog, placing.variant, placing.dtype, needs.unused, access)
                size = count_bytes_to_fetch(reference, options)
        except GenaiError as error:
            problem = error
        is_unknown = problem is None or (isinstance(problem, NetworkError) and reference.server is None)
        if problem is not None and not is_unknown and len(references) == 1:
            is_unknown = reference.server is None and is_offline(access.offline) and isinstance(problem, ModelError)
            if not is_unknown:
                raise problem
        planned = PlannedModel(str(reference), needs.task, items, size, None if is_unknown else str(problem))
        yield planned
        if problem is None and reference.server is None:
            yield from plan_companions(reference, planned, options)


def plan_companions(reference: ModelReference, owner: PlannedModel, options: FetchOptions) -> Iterator[PlannedModel]:
    """The other models that a model needs, as far as the hub can be asked what they are."""
    modality = find_modality(owner.task)
    if not modality.companion_files:
        return
    try:
        with open_settings(reference, modality.companion_files, options.access.offline) as folder:
            names = modality.find_companions(folder) if folder else ()
    except GenaiError:  # what is wrong with the model itself was said of it
        return
    for name in names:
        size, problem = None, None
        try:
            companion = resolve(ModelReference(name), options.access.offline, ignore)
            size = count_bytes_to_fetch(companion, options.of_companion())
        except NetworkError:
            pass
        except GenaiError as error:
            problem = str(error)
        yield PlannedModel(name, owner.task, owner.items, size, problem, needed_by=owner.model)


def count_tasks(survey: Survey) -> dict[str, int]:
    """How many items there are of each task."""
    counts: Counter[str] = Counter()
    for needs, items in survey.needs.items():
        counts[needs.task] += items
    return dict(counts)


def plan_lines(
    survey: Survey, report: Report, to_make: int, models: list[PlannedModel], free: int | None
) -> Iterator[str]:
    """The plan in words."""
    tasks = ", ".join(f"{items} {task}" for task, items in count_tasks(survey).items())
    earlier = {"done earlier": report.done_earlier, "failed earlier": report.failed_earlier}
    earlier |= {"of other shards": report.elsewhere}
    counts = [f"{count} {name}" for name, count in earlier.items() if count]
    yield f"{survey.items} item{'s' * (survey.items != 1)} ({tasks}): {', '.join([*counts, f'{to_make} to make'])}"
    for model in models:
        if model.problem is not None:
            said = model.problem
        elif model.bytes_to_fetch is None:
            said = "how much is to be fetched is unknown, offline"
        elif model.bytes_to_fetch:
            said = f"{show_bytes(model.bytes_to_fetch)} to fetch"
        else:
            said = "built in" if model.model == BUILT_IN else "on a server" if is_address(model.model) else "at hand"
        use = f", which {model.needed_by} needs" if model.needed_by else f" for {model.items} {model.task}"
        yield f"model {model.model}{use}: {said}"
    if free is not None:
        yield f"{show_bytes(free)} free on the disk of the models"
    yield "nothing was loaded or written"


def show_chapters(rows: Rows, orders: Orders, destination: Destination | None, as_json: bool, console: Console) -> None:
    """The files that the chapters of a book would give, if the rows are one, and how long the chapters are."""
    if as_json or not (isinstance(rows, FileRows) and rows.reading.chapters):
        return
    for file in list_files(orders, destination):
        console.result(file)
    lengths = [len(order.request.title) for order in orders]
    several = f"{len(lengths)} chapters of {min(lengths):,} to {max(lengths):,} characters"
    console.emit(Notice(several if len(lengths) > 1 else f"no chapters found: one text of {lengths[0]:,} characters"))


def show_files(orders: Orders, destination: Destination | None, one_file: str | None, console: Console) -> None:
    """The files that prompts on the command line would give (SEED where it is not given), and a summary on stderr."""
    for file in list_files(orders, destination) if one_file is None else [one_file]:
        console.result(file)
    models = ", ".join(sorted({str(reference) for reference in name_models(orders).values()}))
    results = f"{console.items} result{'s' * (console.items != 1)}"
    console.emit(Notice(f"would make {results} with {models}; nothing was loaded or written"))


def name_models(orders: Orders) -> References:
    """What the models' names stand for, as far as their names tell."""
    names = {(needs.task, needs.model) for needs in orders.survey.needs}
    return {(task, model): parse_name(model, task, load_catalog()) for task, model in names}


def list_files(orders: Orders, destination: Destination | None) -> Iterator[str]:
    """The names of the files of all results; none where they get no files."""
    seeded = (order.request.seed is not None for order in orders for _ in range(order.number))
    for job, has_seed in zip(list_jobs(orders, name_models(orders), None), seeded, strict=True):
        if destination is not None:
            # The key needs the model's commit, which is not asked for here; a seed not given is drawn at each run.
            unknown = "key" if has_seed else "key|seed"
            template = destination.template
            if template != DEFAULT_TEMPLATE or job.id == job.key:  # an own id is the whole default name
                template = re.sub(rf"\{{({unknown})[^}}]*\}}", lambda field: field[1].upper(), template)
            suffix = destination.suffix or find_modality(job.request.task).content.suffixes[0]
            yield str(replace(destination, template=template).make_path(name_fields(job), suffix))
