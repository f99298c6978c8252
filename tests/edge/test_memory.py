"""What comes again, told from what comes once."""

from gateway.edge.memory import Familiar, Memory


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


def test_a_memory_holds_no_more_than_it_may_and_the_oldest_go_first() -> None:
    memory: Memory[str, int] = Memory(100)
    for number in range(50):
        memory.keep(f"{number}", number, 10)
    assert len(memory) == 10
    assert [memory.get(f"{number}") for number in (39, 40, 49)] == [None, 40, 49]


def test_what_is_kept_again_weighs_what_it_weighs_now() -> None:
    memory: Memory[str, int] = Memory(100)
    for weight in (90, 10, 90, 10):
        memory.keep("one", weight, weight)
    memory.keep("other", 2, 90)
    assert (memory.get("one"), memory.get("other")) == (10, 2)


def test_what_weighs_too_much_alone_is_not_kept() -> None:
    memory: Memory[str, int] = Memory(100)
    memory.keep("one", 1, 101)
    assert not len(memory)
