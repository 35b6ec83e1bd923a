import os

from trendbot.owner import owner_name, process_lives


def test_the_present_process_lives() -> None:
    assert process_lives(owner_name())


def test_an_earlier_process_of_the_same_number_does_not() -> None:
    machine, pid, _ = owner_name().rsplit("/", 2)
    assert not process_lives(f"{machine}/{pid}/other")


def test_a_process_that_is_gone_does_not() -> None:
    machine, _, _ = owner_name().rsplit("/", 2)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert not process_lives(f"{machine}/{child}/other")


def test_another_process_of_this_machine_does() -> None:
    machine, _, _ = owner_name().rsplit("/", 2)
    assert process_lives(f"{machine}/{os.getppid()}/other")


def test_of_other_machines_nobody_knows() -> None:
    assert process_lives("elsewhere/1/other")
