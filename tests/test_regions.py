"""Where an edit works: the part of a picture that a model sees, and the size at which it sees it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_cli.errors import InputError
from genai_cli.modality.diffusion.regions import AUTO, LONGEST, WHOLE, Box, choose_region, fit_size

SIDES = st.integers(1, 6000)


@pytest.mark.parametrize(
    ("picture", "own_side", "size"),
    [
        ((4000, 3000), 512, (592, 440)),
        ((3000, 4000), 512, (440, 592)),
        ((512, 512), 512, (512, 512)),
        ((100, 100), 512, (512, 512)),
        ((1920, 1080), 1024, (1368, 768)),
    ],
)
def test_a_model_works_at_its_own_size_in_the_picture_s_aspect(
    picture: tuple[int, int], own_side: int, size: tuple[int, int]
) -> None:
    assert fit_size(*picture, own_side, 8) == size


@given(SIDES, SIDES, st.sampled_from([64, 512, 1024]), st.sampled_from([8, 16]))
def test_sizes_are_multiples_and_cost_what_the_model_s_own_does(
    width: int, height: int, own_side: int, multiple: int
) -> None:
    if max(width, height) > LONGEST * min(width, height):
        with pytest.raises(InputError, match="too long for a model"):
            fit_size(width, height, own_side, multiple)
        return
    size = fit_size(width, height, own_side, multiple)
    assert all(side % multiple == 0 and side >= multiple for side in size)
    assert 0.5 < size[0] * size[1] / own_side**2 < 1.6


@given(st.data(), SIDES, SIDES, st.sampled_from([64, 512]))
def test_a_region_holds_the_mask_and_lies_in_the_picture(
    data: st.DataObject, width: int, height: int, own_side: int
) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    masked = Box(left, top, right, bottom)
    region = choose_region(AUTO, (width, height), masked, own_side)
    assert 0 <= region.left <= left < right <= region.right <= width
    assert 0 <= region.top <= top < bottom <= region.bottom <= height
    assert region.width >= min(width, own_side) and region.height >= min(height, own_side)
    assert choose_region(str(region), (width, height), masked, own_side) == region  # as a record states it
    assert choose_region(WHOLE, (width, height), masked, own_side) == Box(0, 0, width, height)


def test_a_small_mask_has_its_surroundings() -> None:
    masked = Box(1000, 1000, 1400, 1200)
    assert choose_region(AUTO, (4000, 3000), masked, 512) == Box(900, 844, 1500, 1356)
    assert choose_region(AUTO, (4000, 3000), Box(0, 0, 10, 10), 512) == Box(0, 0, 512, 512)
    assert choose_region(AUTO, (600, 500), masked._replace(left=0, top=0, right=500, bottom=400), 512).width == 600
    for text in ("1,2,3", "a,b,c,d", "-1,0,9,9", "0,0,9,9,9"):
        with pytest.raises(InputError, match="--region must be auto, whole, or"):
            Box.parse(text)
    for text in ("0,0,5000,3000", "0,0,0,0"):
        with pytest.raises(InputError, match="is not a part of a picture of 4000x3000"):
            choose_region(text, (4000, 3000), masked, 512)
