from dataclasses import replace

from sqlalchemy import Engine

from tests.postbox import SECRET, Clock, Postbox, door_to


def test_an_erased_address_is_known_by_every_key_and_named_by_none(engine: Engine) -> None:
    door = door_to(engine, Postbox(), Clock())
    turned = replace(door, secrets=("another-secret-of-ours", SECRET))
    assert turned.secret == "another-secret-of-ours"
    (key,) = door.erased_keys("ada@example.org")
    assert turned.erased_keys("ada@example.org")[1] == key
    assert turned.erased_keys("ada@example.org")[0] != key
    assert door.erased_keys("bo@example.org") != (key,)
    assert key.startswith("erased:")
    assert "ada" not in key


def test_a_hash_is_of_one_purpose(engine: Engine) -> None:
    door = door_to(engine, Postbox(), Clock())
    assert door.hash_of("address", "x") != door.hash_of("domain", "x")
    assert door.hash_of("address", "x") == door.hash_of("address", "x")


def test_nobody_need_hear_of_what_is_queued(engine: Engine) -> None:
    door_to(engine, Postbox(), Clock()).queued()
