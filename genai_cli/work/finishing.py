"""A result becomes an artifact: checked, described and encoded, whatever engine made it."""

from genai_cli.content.content import FilteredError
from genai_cli.content.record import Origin, build_record, choose_mark, without_prompt
from genai_cli.errors import InputError, OutputError, ResultError
from genai_cli.modality.modality import Result
from genai_cli.modality.registry import find_modality
from genai_cli.work.assignment import Delivery
from genai_cli.work.job import Job
from genai_cli.work.outcome import Artifact, Failure, Outcome


def finish(job: Job, result: Result, origin: Origin, seconds: float, delivery: Delivery) -> Outcome:
    """The artifact of a result that took so many seconds, or a failure where it is not fit to keep or be encoded."""
    content = result.content
    try:
        content.check()
    except ResultError as error:
        return Failure(job, error, "filtered" if isinstance(error, FilteredError) else "failed")
    facts = {**content.facts(), **result.facts}
    request = job.request
    record = build_record(request.task, request.content(), result.parameters, origin, seconds, content.sha256(), facts)
    kept = record if delivery.metadata else without_prompt(record)
    suffix, *more = content.choose_suffixes(job.suffix or delivery.suffix)
    mark = choose_mark(find_modality(request.task).mark, record)
    try:
        data = content.encode(kept, suffix, mark)
        beside = {one: None if content.holds_record(one) else kept for one in (suffix, *more)}
        others = tuple((one, content.encode(kept, one, mark), beside[one]) for one in more)
    except (OutputError, InputError) as error:  # the second where the file that a result is about is gone
        return Failure(job, error)
    return Artifact(job, record, data, beside[suffix], suffix, others)
