"""The collector is paused for a step and resumed after it."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from lens_graph._collector import without_collector


def test_the_collector_is_off_inside_and_on_again_after() -> None:
    assert without_collector(gc.isenabled)() is False
    assert gc.isenabled()


def test_it_is_resumed_after_an_exception_and_after_nested_steps() -> None:
    @without_collector
    def fails() -> None:
        assert without_collector(gc.isenabled)() is False
        assert not gc.isenabled()
        raise ValueError

    with pytest.raises(ValueError):
        fails()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        without_collector(gc.isenabled)()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_threads_do_not_end_each_others_pauses() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: without_collector(gc.isenabled)(), range(200)))
    assert gc.isenabled()
