"""Keys and seeds belong to what is asked for, not to where it stands."""

from dataclasses import replace

from genai_cli.hub.names import ModelReference
from genai_cli.modality.image import ImageRequest
from genai_cli.work.job import Job, Order, expand

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFERENCES = {("image", "m"): ModelReference("owner/name", COMMIT)}
CIRCLE = ImageRequest(prompt="a circle", model="m")
STAR = ImageRequest(prompt="a star", model="m")


def jobs_of(*orders: Order, base_seed: int = 1) -> list[Job]:
    return list(expand(orders, REFERENCES, base_seed))


def test_an_inserted_order_moves_no_key_and_no_seed() -> None:
    alone = jobs_of(Order(STAR))[0]
    after = jobs_of(Order(CIRCLE, 2), Order(STAR, index=2))[2]
    assert (alone.key, alone.request.seed) == (after.key, after.request.seed)
    assert (alone.index, after.index) == (0, 2)


def test_copies_are_the_same_as_repeated_prompts() -> None:
    copies = jobs_of(Order(CIRCLE, 3))
    repeated = jobs_of(Order(CIRCLE), Order(CIRCLE), Order(CIRCLE))
    assert [job.key for job in copies] == [job.key for job in repeated]
    assert len({job.key for job in copies}) == len({job.request.seed for job in copies}) == 3


def test_a_given_seed_counts_on() -> None:
    seeds = [job.request.seed for job in jobs_of(Order(replace(CIRCLE, seed=41), 2), Order(replace(STAR, seed=41)))]
    assert seeds == [41, 42, 41]
    assert [job.request.seed for job in jobs_of(Order(replace(CIRCLE, seed=2**64 - 1), 2))] == [2**64 - 1, 0]


def test_the_base_seed_changes_seeds_and_no_key() -> None:
    one, two = jobs_of(Order(CIRCLE))[0], jobs_of(Order(CIRCLE), base_seed=2)[0]
    assert one.key == two.key
    assert one.request.seed != two.request.seed


def test_whatever_shapes_the_result_changes_the_key() -> None:
    key = jobs_of(Order(CIRCLE))[0].key
    assert jobs_of(Order(replace(CIRCLE, num_inference_steps=3)))[0].key != key
    moved = {("image", "m"): replace(REFERENCES["image", "m"], revision=COMMIT[::-1])}
    assert next(expand([Order(CIRCLE)], moved, 1)).key != key


def test_ids_name_their_copies() -> None:
    assert [job.id for job in jobs_of(Order(CIRCLE, 2, id="x"), Order(STAR, id="y"))] == ["x-1", "x-2", "y"]
