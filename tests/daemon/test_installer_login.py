"""The installer's password: right or wrong, and no more guesses than are hopeless."""

from fakes import Clock
from pydantic import SecretStr

from vestibule.installer import login
from vestibule.installer.login import Login

RIGHT = "correct horse battery"


def door() -> tuple[Login, Clock]:
    clock = Clock(0.0)
    return Login(SecretStr(RIGHT), clock), clock


def test_the_right_password_opens_a_session() -> None:
    one, _ = door()
    first, second = one.enter(RIGHT), one.enter(RIGHT)
    assert isinstance(first, str)
    assert isinstance(second, str)
    assert first != second
    assert one.knows(first)
    assert one.knows(second)


def test_wrong_ones_do_not() -> None:
    one, _ = door()
    for wrong in ("", RIGHT + " ", RIGHT[:-1], "\ud800"):
        assert one.enter(wrong) == 0.0
    assert not one.knows("")
    assert not one.knows("guessed")


def test_after_five_wrong_ones_nobody_is_answered_for_a_while() -> None:
    one, clock = door()
    for _ in range(5):
        assert one.enter("guess") == 0.0
        clock.now_s += 1
    assert one.enter("guess") == 55.0
    assert one.enter(RIGHT) == 55.0  # else one could guess on, and see
    clock.now_s += 55
    assert isinstance(one.enter(RIGHT), str)
    assert one.enter("guess") == 0.0
    assert isinstance(one.enter("guess"), float)


def test_an_hour_of_guessing_is_three_hundred_guesses() -> None:
    one, clock = door()
    judged = 0
    for _ in range(3600):
        judged += one.enter("guess") == 0.0
        clock.now_s += 1
    assert judged <= 300


def test_a_session_ends_by_itself_by_leaving_and_by_too_many_others() -> None:
    one, clock = door()
    first = str(one.enter(RIGHT))
    clock.now_s = login.SESSION_S - 1
    assert one.knows(first)
    clock.now_s += 1
    assert not one.knows(first)
    second = str(one.enter(RIGHT))
    one.leave(second)
    one.leave("unknown")
    assert not one.knows(second)
    tokens = [str(one.enter(RIGHT)) for _ in range(9)]
    assert [one.knows(token) for token in tokens] == [False] + [True] * 8


def test_no_token_and_no_password_is_kept_as_it_is() -> None:
    one, _ = door()
    token = str(one.enter(RIGHT))
    assert token not in repr(vars(one))
    assert RIGHT not in repr(vars(one))
