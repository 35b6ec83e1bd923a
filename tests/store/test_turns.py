import threading

from trendbot.store.turns import Queue


def test_threads_take_turns_in_the_order_in_which_they_came() -> None:
    queue, came, went = Queue(), [], []
    inside = threading.Lock()

    def work(number: int) -> None:
        with queue.turn(60):
            assert inside.acquire(blocking=False)
            went.append(number)
            inside.release()

    threads = []
    with queue.turn(60):
        for number in range(8):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            while len(queue) < number + 2:
                pass
            came.append(number)
            threads.append(thread)
        assert went == []
    for thread in threads:
        thread.join(timeout=60)
    assert went == came
    assert len(queue) == 0


def test_who_waited_long_enough_goes_on_without_a_turn() -> None:
    queue = Queue()
    done: list[str] = []
    with queue.turn(60):
        hasty = threading.Thread(target=lambda: _note(queue, done))
        hasty.start()
        hasty.join(timeout=60)
        assert done == ["without a turn"]
    with queue.turn(0):
        assert len(queue) == 1


def _note(queue: Queue, done: list[str]) -> None:
    with queue.turn(0.01):
        done.append("without a turn")


def test_a_turn_ends_also_when_it_fails() -> None:
    queue = Queue()
    try:
        with queue.turn(60):
            raise RuntimeError
    except RuntimeError:
        pass
    with queue.turn(60):
        assert len(queue) == 1
