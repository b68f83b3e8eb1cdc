"""The committed vector files are what the product gives, and the second implementation alone."""

from __future__ import annotations

from itertools import combinations

import pytest

from glasslock.wire.labels import Label
from tests.vectors import by_oracle, by_product
from tests.vectors.form import FILES, Item, load, read, shown
from tests.vectors.generate import CONTENTS, file_bytes
from tests.vectors.inputs_sealed import one_bit
from tests.vectors.oracle.cbor import Invalid
from tests.vectors.oracle.digests import kdf
from tests.vectors.oracle.slots import leaf_secret, node_at

every_file = pytest.mark.parametrize("name", CONTENTS)

# How many cases of each kind there are at least: a file does not shrink unseen.
LEAST = {
    "cbor": (29, 39),
    "kdf": (37, 0),
    "hash": (23, 0),
    "sign": (15, 8),
    "tree": (20, 6),
    "xwing": (12, 13),
    "tier1": (18, 3),
    "seal": (11, 32),
    "body": (22, 19),
    "stream": (26, 20),
    "evidence": (1, 22),
    "orders": (34, 31),
    "preview": (20, 12),
}


def outputs(name: str) -> dict[str, Item]:
    return {case.name: case.out for case in read(name) if case.refused is None}


def test_every_file_is_there_and_no_other():
    assert {path.stem for path in FILES.glob("*.json")} == set(CONTENTS)
    assert sum(path.stat().st_size for path in FILES.glob("*.json")) < 1_500_000


@every_file
def test_a_file_is_what_the_generator_writes(name: str):
    """Each positive case answered, each negative one refused under its name, by the product."""
    assert (FILES / f"{name}.json").read_bytes() == file_bytes(name)


@every_file
def test_the_oracle_gives_the_same_from_the_file_alone(name: str):
    for case in read(name):
        run = by_oracle.OPERATIONS[case.operation]
        if case.refused is None:
            assert shown(run(load(case.inputs))) == case.out, case.name
            continue
        with pytest.raises(Invalid):
            run(load(case.inputs))


@every_file
def test_a_file_has_its_cases(name: str):
    cases = read(name)
    assert len({case.name for case in cases}) == len(cases)
    refused = [case for case in cases if case.refused is not None]
    good, bad = LEAST[name]
    assert len(cases) - len(refused) >= good
    assert len(refused) >= bad


def test_both_know_the_same_operations():
    assert by_oracle.OPERATIONS.keys() == by_product.OPERATIONS.keys()
    used = {case.operation for name in CONTENTS for case in read(name)}
    assert used == by_product.OPERATIONS.keys()


def test_a_refusal_by_another_name_would_be_seen():
    """The names in the files are of our taxonomy, and of more than one kind."""
    rules = {case.refused for name in CONTENTS for case in read(name) if case.refused}
    assert all(slug and (rule or slug == "stale-epoch") for slug, rule in rules)
    assert len(rules) > 25


# -- what no single case says -------------------------------------------------------------------
def test_a_length_is_derived_with():
    keys = [load(out) for name, out in outputs("kdf").items() if name.startswith("length ")]
    whole = [key for key in keys if isinstance(key, bytes)]
    assert len(whole) >= 6
    for one, other in combinations(whole, 2):
        assert not other.startswith(one) or len(one) < 4


def test_a_slot_is_the_same_from_every_cover():
    found = outputs("tree")
    same = [out for name, out in found.items() if "three slots" in name]
    assert len(same) == 4
    assert all(out == same[0] for out in same)
    assert found["out of order"] == same[0][::-1]
    assert len(found["cover at low"]) <= 33


def test_exchanged_coins_give_another_secret_and_another_enc():
    found = outputs("xwing")
    for n in range(3):
        one, other = found[f"key {n}, coins"], found[f"key {n}, halves exchanged"]
        assert one["shared"] != other["shared"]
        assert one["enc"] != other["enc"]


def test_one_bit_of_each_header_field_changes_every_enc():
    found = outputs("tier1")
    base = found["all seats"]
    place = {"policy", "group_id", "epoch", "context", "leaf", "credential"}
    assert place | {"tau", "day and tau", "key ids", "one key"} == one_bit().keys()
    for name in one_bit():
        changed = found[f"one bit of {name}"]
        assert changed["H1"] != base["H1"], name
        assert not set(changed["enc_digests"]) & set(base["enc_digests"]), name
        assert not set(changed["K"]) & set(base["K"]), name


def test_one_tier_1_is_never_another():
    made = [out["tier1"] for out in outputs("tier1").values()]
    assert len(set(made)) == len(made)


def test_exactly_the_quorums_open():
    found = outputs("seal")
    expected = [
        mask
        for mask in range(256)
        if (mask & 0b111).bit_count() >= 2 and (mask >> 3).bit_count() >= 3
    ]
    assert found["which sets open, 3 and 5 seats"] == {"open": expected, "sets": 256}
    assert found["which sets open, 2 and 2 seats"] == {"open": [0b1111], "sets": 16}


def test_no_byte_may_be_changed():
    counts = outputs("seal")["every byte flipped"]
    assert counts["tried"] == counts["refused"] > 1_000


def test_a_coefficient_has_a_zero_byte():
    (case,) = (c for c in read("seal") if c.name == "a coefficient with a zero byte")
    given = load(case.inputs)
    node = node_at(given["root"], given["tau"])
    s = leaf_secret(node, given["leaf"], given["credential"])
    hh = load(case.out["Hh"])
    assert 0 in kdf(s, Label.COEFFICIENT.value, hh, 1, 2)


def test_padded_sizes_are_those_of_the_protocol():
    found = outputs("body")
    sizes = {0: 256, 252: 256, 253: 272, 1_000: 1_024, 65_536: 67_584}
    assert {n: found[f"text of {n} bytes"] for n in sizes} == sizes


def test_a_cloned_machine_repeats_neither_salt_nor_body():
    found = outputs("body")
    one, other = (found[f"clone: equal fresh bytes, {of} content"] for of in ("one", "other"))
    assert one["salt"] != other["salt"]
    assert one["body"] != other["body"]


def test_forks_gaps_and_orders_give_other_heads():
    found = outputs("stream")
    names = ("handshakes, envelopes and what removals leave", "a fork at the first entry")
    lines = [found[name]["heads"] for name in names]
    assert lines[0][0] == lines[1][0]
    assert not set(lines[0][1:]) & set(lines[1][1:])
    variants = ("", " with one entry left out", " in another order", " at another time")
    ends = {found[f"heads{variant}"][-1] for variant in variants}
    assert len(ends) == len(variants)
