"""What comes again, told from what comes once."""

from gateway.edge.familiar import Familiar


def test_what_comes_a_second_time_is_familiar() -> None:
    familiar = Familiar()
    assert not familiar.again(b"one")
    assert not familiar.again(b"two")
    assert familiar.again(b"one")
    assert familiar.again(b"one")


def test_it_is_bounded_and_made_up_things_are_forgotten() -> None:
    familiar = Familiar()
    places = len(familiar._marks)
    familiar.again(b"one")
    assert not any(familiar.again(b"%d" % number) for number in range(100_000))
    assert len(familiar._marks) == places
    assert not familiar.again(b"one")


def test_some_hundred_others_push_next_to_nothing_out() -> None:
    familiar = Familiar()
    ours = [b"ours %d" % number for number in range(100)]
    for block in ours:
        familiar.again(block)
    for number in range(400):
        familiar.again(b"other %d" % number)
    assert sum(map(familiar.again, ours)) > 80
