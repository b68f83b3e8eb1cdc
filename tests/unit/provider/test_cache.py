"""What was used last stays, as long as there is room."""

from __future__ import annotations

from glasslock.provider.cache import Cache


def cache(room: int) -> Cache[str, str]:
    return Cache(room, len)


def kept(of: Cache[str, str], *keys: str) -> list[str | None]:
    return [of.get(key) for key in keys]


def test_what_was_not_used_for_longest_goes_first() -> None:
    held = cache(6)
    for key in "abc":
        held.put(key, key * 2)
    assert held.get("a") == "aa"
    held.put("d", "dd")
    held.trim()
    assert kept(held, "a", "b", "c", "d") == ["aa", None, "cc", "dd"]


def test_nothing_goes_before_it_is_trimmed() -> None:
    held = cache(1)
    held.put("a", "aaaa")
    held.put("b", "bbbb")
    assert kept(held, "a", "b") == ["aaaa", "bbbb"]
    held.trim()
    assert kept(held, "a", "b") == [None, None]


def test_a_value_counts_once_and_not_after_it_is_dropped() -> None:
    held = cache(4)
    for _ in range(9):
        held.put("a", "aa")
    held.put("b", "bb")
    held.put("c", "cc")
    held.drop("c")
    held.drop("never there")
    held.trim()
    assert kept(held, "a", "b", "c") == ["aa", "bb", None]
    held.clear()
    held.put("d", "dddd")
    held.trim()
    assert kept(held, "a", "d") == [None, "dddd"]
