"""How modes are asked for: written, counted down, drawn by lot, and refused with a sentence."""

import pytest

from evergrant.testing.chaos import MODES, Chaos, NoSuchMode, wish
from tests.testing.chaos.caller import calling


@pytest.mark.parametrize(
    "text",
    [
        "lost_reply", "slots:most=3", "unavailable:chance=0.25", "slow_reply:seconds=2,times=3",
        'expires_in:value="3600"', "expires_in:value=-1", "lost_reply:on=exchange+refresh", "strict_one_shot:times=2",
        "redirect:to=http://127.0.0.1:9/x",
    ],
)  # fmt: skip
def test_a_wish_reads_what_it_writes(text):
    assert wish(str(wish(text))) == wish(text)
    assert wish(text).mode is MODES[text.partition(":")[0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lost_repl", "did you mean lost_reply?"),
        ("slots:many=1", "it has most, times, chance, on"),
        ("slots:most=some", "most is a number"),
        ("slots:most", "not of the form setting=value"),
        ("lost_reply:times=-1", "times is a whole number"),
        ("lost_reply:times=true", "times is a whole number"),
        ("lost_reply:chance=1.5", "from 0 to 1"),
        ("lost_reply:on=tuesday", "on=tuesday: there are refresh, exchange"),
    ],
)
def test_a_wish_that_cannot_be_read_says_why(text, said):
    with pytest.raises(NoSuchMode, match=said.replace("?", r"\?")):
        wish(text)


def test_hyphens_are_as_good_as_underscores():
    assert wish("lost-reply").mode.name == "lost_reply"


async def test_a_mode_is_in_force_for_the_next_n_refreshes_and_then_gone():
    async with calling("plain", "unavailable:times=2") as caller:
        token = caller.chaos.grant().refresh_token
        assert [str(one) for one in caller.chaos.modes] == ["unavailable:times=2"]
        assert [(await caller.refresh(token)).status_code for _ in range(3)] == [503, 503, 200]
        assert caller.chaos.modes == []


async def test_a_rule_for_the_next_refreshes_counts_refreshes_alone():
    async with calling("plain", "never_rotates:times=1") as caller:
        given = (await caller.exchange(await caller.code())).json()
        await caller.call(given["access_token"])
        kept = (await caller.refresh(given["refresh_token"])).json()
        rotated = (await caller.refresh(given["refresh_token"])).json()
        assert ("refresh_token" in kept, "refresh_token" in rotated) == (False, True)


async def statuses(seed: int) -> list[int]:
    async with calling("plain", "never_rotates", "unavailable:chance=0.5") as caller:
        caller.chaos._state.modes._dice = Chaos(seed=seed)._state.modes._dice
        token = caller.chaos.grant().refresh_token
        return [(await caller.refresh(token)).status_code for _ in range(24)]


async def test_chances_come_out_the_same_for_the_same_seed():
    first = await statuses(1)
    assert first == await statuses(1)
    assert first != await statuses(2)
    assert 4 < first.count(503) < 20


async def test_tokens_come_out_the_same_for_the_same_seed():
    async with Chaos(seed="x") as one, Chaos(seed="x") as same, Chaos(seed="y") as other, Chaos() as random:
        assert one.grant().refresh_token == same.grant().refresh_token
        assert len({each.client_secret for each in (one, other, random)}) == 3


async def test_the_last_mode_wins_and_clearing_ends_all():
    async with calling("plain", "strict_one_shot", "never_rotates") as caller:
        token = caller.chaos.grant().refresh_token
        assert [(await caller.refresh(token)).status_code for _ in range(2)] == [200, 200]
        caller.chaos.clear()
        assert [(await caller.refresh(token)).status_code for _ in range(2)] == [200, 400]
