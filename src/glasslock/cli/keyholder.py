"""``glasslock keyholder``: run a keyholder; answer what it asks; found and sign a policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from glasslock.cli import contact, output
from glasslock.cli import drill as drills
from glasslock.errors import WireError
from glasslock.keyholder import app as keyholder
from glasslock.keyholder import keys
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.founding import PolicyDraft
from glasslock.keyholder.release import Answer
from glasslock.keyholder.running import Office
from glasslock.keyholder.summary import Summary
from glasslock.runtime.config import load_config
from glasslock.runtime.files import read_limited, write_atomic
from glasslock.wire.policy import Policy, decode_policy

T = TypeVar("T")

app = typer.Typer(add_completion=False, no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="a TOML file; `keyholder settings` prints one")]
Document = Annotated[Path, typer.Argument(help="a policy document, as `keyholder found` writes it")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]
MAX_DOCUMENT: Final = 65_536

_SETTINGS = """\
data = "./keyholder"       # folder for key and database; only this user may read it
name = "court-north"       # this keyholder's id in policies
quorum = "./quorum"        # pinned quorum file of both logs (C2SP tlog-policy), with addresses
policy_origin = "log.example/policy"
orders_origin = "log.example/orders/1"
provider = "http://127.0.0.1:8440"
policy = ""                # digest of the one policy served, in hex; empty until it is founded
standing = false           # true: release whatever passes every rule, without asking a person
poll_seconds = 5.0
ahead_days = 3             # publish a period key when fewer days than this are covered
period_days = 7            # days that a period key serves
max_age = 86400            # seconds: judge no order by an older word of the witnesses
# passphrase_file = "./passphrase"

# [token]                  # keys on a PKCS#11 token instead of a file in `data`
# module = "/usr/lib/softhsm/libsofthsm2.so"
# label = "keyholder"      # the token's label
# pin_file = "./pin"       # only this user may read it
# key_label = "glasslock"  # of the signing and the wrapping key

[desks]                    # where releases go, by the agency's name
police = "http://127.0.0.1:8470"
"""


@app.command()
def run(config: Config) -> None:
    """Run a keyholder; it listens to nobody. One JSON line says when it is ready."""
    keyholder.run(load_config(config, KeyholderConfig))


@app.command()
def settings() -> None:
    """Print every setting with its default or an example."""
    output.data(_SETTINGS.rstrip())


@app.command()
def key(config: Config) -> None:
    """Print the public signing key for a policy's draft; makes a key file when there is none."""
    output.data(keys.open_signer(load_config(config, KeyholderConfig)).public.hex())


@app.command(name="make-keys")
def make_keys(config: Config) -> None:
    """Make the keys, in the token if the settings name one; prints the public signing key."""
    output.data(keys.make_keys(load_config(config, KeyholderConfig)).hex())


@app.command()
def pending(config: Config, *, as_json: AsJson = False) -> None:
    """Show the orders that wait for your answer; each has passed every check."""
    orders = _at_office(config, keyholder.pending)
    if as_json:
        output.data([asdict(each) for each in orders], as_json=True)
        return
    for each in orders:
        _show(each)
    if not orders:
        output.talk("no order waits for an answer")


@app.command()
def answer(
    config: Config,
    commitment: Annotated[str, typer.Argument(help="the order, as `keyholder pending` names it")],
    say: Annotated[str, typer.Argument(help="release or refuse")],
    *,
    ground: Annotated[str, typer.Option(help="why you refuse; it is logged for all to see")] = "",
    code_file: contact.CodeFile = None,
) -> None:
    """Answer an order; the running keyholder acts on it. A refusal may take an agreed code."""
    if say not in ("release", "refuse"):
        raise WireError("the answer is release or refuse", rule="keyholder.answer")
    said = Answer(say == "release", ground)

    def work(office: Office) -> None:
        asked = not said.yes and bool(office.store.codes())
        (code,) = contact.read_codes(code_file, ("code",)) if asked else ("",)
        keyholder.answer(office, _hex(commitment), said, code)

    _at_office(config, work)
    output.talk(f"noted: {say}")


@app.command()
def periods(config: Config, *, as_json: AsJson = False) -> None:
    """List own period keys: new, logged, proven or destroyed."""
    output.table((asdict(p) for p in _at_office(config, keyholder.periods)), as_json=as_json)


@app.command()
def destroy(
    config: Config, key_id: Annotated[str, typer.Argument(help="as `keyholder periods` shows it")]
) -> None:
    """Destroy a period key now, for ever; the running keyholder logs it."""
    _at_office(config, lambda office: keyholder.destroy(office, _hex(key_id)))
    output.talk("destroyed: nothing sealed to this key can be released by this keyholder")


@app.command()
def drill(
    config: Config,
    what: Annotated[str, typer.Argument(help="start or status")],
    *,
    day: Annotated[
        int | None, typer.Option(help="policy day whose keys are tried; today's unless given")
    ] = None,
    hours: Annotated[
        int | None, typer.Option(min=1, help="time to answer; a policy day unless given")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have all keyholders prove that they can still give a share, or show how each did."""
    if what not in ("start", "status"):
        raise WireError("say start or status", rule="keyholder.drill")
    if what == "start":
        _at_office(config, lambda office: drills.start(office, day, hours))
    else:
        _at_office(config, lambda office: drills.status(office, as_json=as_json))


@app.command()
def revoke(
    config: Config, key_id: Annotated[str, typer.Argument(help="as the policy log names it")]
) -> None:
    """Have nobody seal to a period key any more, be it that it is lost; the daemon logs it."""
    _at_office(config, lambda office: keyholder.revoke(office, _hex(key_id)))
    output.talk("revoked: it seals nothing from an hour after this is logged")


@app.command()
def found(
    draft: Annotated[Path, typer.Argument(help="a TOML draft that all keyholders agreed on")],
    out: Annotated[Path, typer.Argument(help="where the policy document goes")],
) -> None:
    """Make a policy document from a draft; prints the policy's digest."""
    policy = keyholder.read_draft(load_config(draft, PolicyDraft), draft.parent)
    write_atomic(out, policy.document, 0o644)
    _tell(policy)
    output.data(policy.digest.hex())


@app.command()
def sign(config: Config, document: Document) -> None:
    """Sign a policy in which this keyholder has a seat; prints the signature in hex."""
    policy = _policy(document)
    _tell(policy)
    output.data(keyholder.sign_policy(load_config(config, KeyholderConfig), policy).hex())


@app.command(name="publish-policy")
def publish_policy(
    document: Document,
    signatures: Annotated[list[str], typer.Argument(help="one of every seat, in any order")],
    *,
    config: Annotated[Path, typer.Option(help="settings of the keyholder that hands it in")],
) -> None:
    """Put a policy into the policy log, signed by all its seats; prints its index there."""
    policy = _policy(document)
    signed = keyholder.in_seat_order(policy, [_hex(each) for each in signatures])
    index = output.run(lambda: keyholder.publish(load_config(config, KeyholderConfig), signed))
    output.data(str(index))


def _at_office(config: Path, work: Callable[[Office], T]) -> T:
    """Do ``work`` on what the keyholder knows, beside the daemon when it runs."""
    office = keyholder.open_office(load_config(config, KeyholderConfig))
    try:
        return work(office)
    finally:
        office.close()


def _show(order: Summary) -> None:
    output.data(order.commitment)
    output.data(f"  by {order.authority}, countersigned by {order.countersigner}")
    output.data(f"  opened by {order.agency} together with the court registry")
    output.data(f"  {order.offence}, under {order.legal_basis}")
    output.data(
        f"  {order.persons} persons named, {order.third_parties} third parties,"
        f" {order.conversations} conversations"
    )
    output.data(
        f"  {order.slots} slots on {order.days} days; {order.stored_slots} of them were written in"
    )
    for check in order.checks:
        output.data(f"  held: {check}")


def _tell(policy: Policy) -> None:
    access = policy.access
    if access is None:
        raise WireError("this policy has no keyholders", rule="policy.none")
    output.talk(f"policy {policy.name}, family {policy.family}, {policy.digest.hex()}")
    for each in access.classes:
        output.talk(f"  class {each.name}: {each.threshold} of {len(each.seats)}")
        for seat in each.seats:
            output.talk(f"    {seat.keyholder} ({seat.legal_person})")
    limits, clocks = access.limits, policy.clocks
    output.talk(
        f"  slots of {clocks.slot_seconds} s, {clocks.slots_per_day} a day;"
        f" keys destroyed {limits.retention_days} days after their last day"
    )
    output.talk(
        f"  an order: at most {limits.accounts} accounts, {limits.slots} slots;"
        f" {limits.orders_per_period} orders per authority in 7 days"
    )


def _policy(document: Path) -> Policy:
    return decode_policy(read_limited(document, MAX_DOCUMENT))


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise WireError("this is not hexadecimal", rule="keyholder.hex") from error
