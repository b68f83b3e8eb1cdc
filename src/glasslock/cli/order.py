"""``glasslock order``: draft, preview, sign, submit and open an order, from one desk's folder.

Every command works beside a running ``glasslock serve desk`` over the same settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from glasslock import hpke
from glasslock.casefile.evidence import PAGE
from glasslock.casefile.making import CaseFile
from glasslock.casefile.package import MAX_PACKAGE, decode_package
from glasslock.casefile.sealed import add_report
from glasslock.cli import output
from glasslock.cli.keyfiles import new_passphrase
from glasslock.cli.orderdates import CaseId, Config, IssuingKey, add_commands
from glasslock.cli.orderforms import (
    FOREVER,
    lines_of,
    many,
    numbers_of,
    public_key,
    receiver,
    seconds_of,
    shown,
    signer,
    status_of,
    told,
    wanted,
)
from glasslock.desk.casework import Case, Request, summary
from glasslock.desk.config import DeskConfig
from glasslock.desk.releases import CaseKeyPair
from glasslock.desk.running import Office
from glasslock.errors import ConfigError, Denied
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.config import load_config
from glasslock.runtime.files import private_folder, read_limited, write_atomic
from glasslock.runtime.keys import new_seed, save_seed
from glasslock.signing import SigningKey
from glasslock.wire.labels import Label
from glasslock.wire.order import entry_digest
from glasslock.wire.record import (
    AGENCY,
    COUNTERSIGNER,
    ISSUING,
    REGISTRY,
    AuthorityRecord,
    decode_record,
    encode_record,
)


def _work(config: Path, work: Callable[[Office], Awaitable[None]]) -> None:
    office = Office(load_config(config, DeskConfig), SystemClock())

    async def run() -> None:
        await work(office)

    try:
        output.run(run)
    finally:
        office.close()


app = add_commands(typer.Typer(add_completion=False, no_args_is_help=True), _work)

AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]

_SETTINGS: Final = """\
data = "./desk"                     # folder for cases; only this user may read it
quorum = "./quorum"                 # pinned quorum file of both logs, with their addresses
policy_origin = "log.example/policy"
orders_origin = "log.example/orders"
policy = ""                         # the policy's digest, in hex
provider = "https://provider.example"
host = "127.0.0.1"                  # loopback only: put a TLS proxy before it
port = 8470                         # keyholders send their releases there; 0: any free one
poll_seconds = 1.0                  # how often both logs are read
"""
RECEIVING: Final = (AGENCY, REGISTRY)
REGISTRAR: Final = "registry"


# -- who may act ------------------------------------------------------------------------------


@app.command()
def key(
    file: Annotated[Path, typer.Argument(help="the key file to write")],
    *,
    role: Annotated[
        str, typer.Option(help="issuing, countersigner, agency, court-registry or registry")
    ],
    protect: Annotated[bool, typer.Option("--protect", help="put it under a passphrase")] = False,
) -> None:
    """Make a key file for a role; prints its public key.

    A key file under a passphrase asks for it at the terminal whenever it is used.
    """
    if role not in (ISSUING, COUNTERSIGNER, AGENCY, REGISTRY, REGISTRAR):
        raise ConfigError(f"there is no role {role!r}", rule="order.role")
    if file.exists():
        raise ConfigError(f"{file.name} is there already", rule="order.key-exists")
    seed = new_seed()
    made = hpke.DecryptionKey if role in RECEIVING else SigningKey
    public = made.from_seed(seed).public
    save_seed(file, seed, new_passphrase() if protect else None)
    output.data(public.hex())


@app.command()
def register(  # noqa: PLR0913 - one option for each field of the record
    config: Config,
    *,
    registry_key: Annotated[Path, typer.Option(help="the policy's registry key file")],
    name: Annotated[str, typer.Option(help="the authority's name")],
    role: Annotated[str, typer.Option(help="issuing, countersigner, agency or court-registry")],
    owner: Annotated[str, typer.Option(help="the legal person behind it")],
    authority_class: Annotated[str, typer.Option("--class", help="what the log shows of it")],
    public: Annotated[str, typer.Option("--key", help="its public key in hex, or a file of it")],
    not_before: Annotated[str, typer.Option(help="time: unix seconds or ISO")] = "0",
    not_after: Annotated[str, typer.Option(help="time: unix seconds or ISO")] = str(FOREVER),
) -> None:
    """Register an authority in the policy log; prints the digest by which orders name it."""

    async def work(office: Office) -> None:
        registrar = signer(registry_key)
        unsigned = AuthorityRecord(
            name,
            role,
            owner,
            authority_class,
            public_key(public),
            seconds_of(not_before),
            seconds_of(not_after),
            bytes.fromhex(office.config.policy),
        )
        signature = registrar.sign(Label.SIGN_RECORD, unsigned.signed_part())
        fields = {**unsigned.__dict__, "signature": signature}
        entry = encode_record(AuthorityRecord(**fields))
        decode_record(entry)
        await office.add(office.config.policy_origin, entry, registrar)
        output.data(entry_digest(entry).hex())

    _work(config, work)


@app.command()
def authorities(config: Config, *, json: AsJson = False) -> None:
    """List who may act under the desk's policy, as the policy log has it."""

    async def work(office: Office) -> None:
        await office.read(office.config.policy_origin)
        rows = [
            {
                "name": each.record.name,
                "role": each.record.role,
                "owner": each.record.owner,
                "class": each.record.authority_class,
                "from": shown(each.record.not_before),
                "until": shown(each.record.not_after),
                "digest": each.digest.hex(),
            }
            for each in office.logs.register.all()
        ]
        output.table(rows, as_json=json)

    _work(config, work)


# -- an order on its way ----------------------------------------------------------------------


@app.command()
def draft(  # noqa: PLR0913 - one option for each field of the order
    config: Config,
    *,
    reference: Annotated[str, typer.Option(help="the case's number at its authority")],
    legal_basis: Annotated[str, typer.Option(help="the law it rests on")],
    offence: Annotated[str, typer.Option(help="what is investigated")],
    authority: Annotated[str, typer.Option(help="issuing authority: name or record digest")],
    countersigner: Annotated[str, typer.Option(help="countersigner: name or record digest")],
    agency: Annotated[str, typer.Option(help="holder of the first case key")],
    registry: Annotated[str, typer.Option(help="court registry: holder of the second")],
    grant: Annotated[
        list[str], typer.Option(help="CONVERSATION:ACCOUNT:FROM:TO[:RECIPIENT], as often as needed")
    ],
    hold: Annotated[str | None, typer.Option(help="nothing is released before")] = None,
    expires: Annotated[str | None, typer.Option(help="nothing is released after")] = None,
    disclose_by: Annotated[str | None, typer.Option(help="when notice is due")] = None,
) -> None:
    """Draft an order; prints the id of its case. Times are unix seconds or ISO."""
    request = Request(
        reference,
        legal_basis,
        offence,
        authority,
        countersigner,
        agency,
        registry,
        tuple(wanted(text) for text in grant),
        hold=None if hold is None else seconds_of(hold),
        expires=None if expires is None else seconds_of(expires),
        disclose_by=None if disclose_by is None else seconds_of(disclose_by),
    )

    async def work(office: Office) -> None:
        output.data((await office.draft(request)).id)

    _work(config, work)


@app.command()
def preview(config: Config, case: CaseId, *, key: IssuingKey, json: AsJson = False) -> None:
    """Ask the provider what an order would reach: signed numbers only, nothing is opened."""

    async def work(office: Office) -> None:
        found = await office.preview(office.store.case(case), signer(key))
        output.data(numbers_of(found) if json else told(found), as_json=json)

    _work(config, work)


@app.command()
def sign(config: Config, case: CaseId, *, key: IssuingKey) -> None:
    """Sign an order as its issuing authority."""

    async def work(office: Office) -> None:
        found = office.store.case(case)
        office.recall()
        issuer = signer(key)
        _warn(office, found, ISSUING, issuer)
        office.sign(found, issuer)
        output.talk(f"case {found.id} is signed; it needs its countersignature")

    _work(config, work)


@app.command()
def countersign(
    config: Config,
    case: CaseId,
    *,
    key: Annotated[Path, typer.Option(help="the countersigner's key file")],
) -> None:
    """Show an order in full and countersign it."""

    async def work(office: Office) -> None:
        found = office.store.case(case)
        office.recall()
        for line in lines_of(office, found):
            output.talk(line)
        judge = signer(key)
        _warn(office, found, COUNTERSIGNER, judge)
        office.countersign(found, judge)
        output.talk(f"case {found.id} is countersigned and can be submitted")

    _work(config, work)


@app.command()
def submit(config: Config, case: CaseId, *, json: AsJson = False) -> None:
    """Hand an order to the provider; again gives the same answer."""

    async def work(office: Office) -> None:
        found = office.store.case(case)
        with _steps("handing the order in", 1) as step:
            verdict = await office.submit(found)
            step()
        if not verdict.admitted:
            raise Denied(verdict.ground or "the provider refused", rule=verdict.rule)
        facts = {"case": found.id, "index": verdict.index, "commitment": verdict.commitment.hex()}
        output.data(facts if json else f"admitted, entry {verdict.index} of the log", as_json=json)

    _work(config, work)


@app.command()
def status(config: Config, case: CaseId, *, json: AsJson = False) -> None:
    """Tell where an order stands: by the log, and by what has come in."""

    async def work(office: Office) -> None:
        await office.follow()
        found = office.store.case(case)
        facts = status_of(office, found)
        if json:
            output.data(facts, as_json=True)
            return
        output.data(f"{facts['case']}  {facts['state']}")
        for each in facts["classes"]:
            output.data(
                f"{each['name']}: {each['released']} of {each['threshold']} needed have released"
            )
        output.table(
            {k: "" if v is None else v for k, v in seat.items()} for seat in facts["seats"]
        )

    _work(config, work)


@app.command(name="open")
def open_(
    config: Config,
    case: CaseId,
    *,
    agency_key: Annotated[Path, typer.Option(help="the agency's case key file")],
    registry_key: Annotated[Path, typer.Option(help="the court registry's case key file")],
    key: IssuingKey,
    out: Annotated[Path, typer.Option(help="the folder for the case file")],
    json: AsJson = False,
) -> None:
    """Open what was granted and released, with both case keys; writes the case file."""

    async def work(office: Office) -> None:
        issuer = signer(key)
        keys = CaseKeyPair(receiver(agency_key), receiver(registry_key))
        with _steps("opening", 4) as step:
            await office.follow()
            step()
            found = office.store.case(case)
            evidence = await office.evidence(found, issuer)
            step()
            proven = office.prove(found, evidence.manifest)
            step()
            opening, file = office.open(found, proven, evidence, keys, issuer)
            _write(out, file)
            step()
        facts: dict[str, Any] = {
            "case": found.id,
            "messages": len(opening.messages),
            "slots": opening.slots,
            "opened_slots": opening.opened_slots,
            "gaps": len(opening.gaps),
            "keyholder_faults": sorted({fault.keyholder for fault in opening.faults}),
            "case_file": file.digest.hex(),
        }
        if json:
            output.data(facts, as_json=True)
            return
        output.data(
            f"{many(len(opening.messages), 'message')} opened from {opening.opened_slots} of "
            f"{many(opening.slots, 'slot')}, {many(len(opening.gaps), 'gap')}"
        )
        for name in facts["keyholder_faults"]:
            output.talk(f"{name} gave something that does not hold: see the case file")

    _work(config, work)


@app.command()
def report(
    config: Config,
    case: CaseId,
    *,
    key: IssuingKey,
    package: Annotated[
        Path | None, typer.Option(help="the case file: the report is added to it, with its proof")
    ] = None,
) -> None:
    """Say in the log, in buckets, how much was opened, with the case file's digest."""

    async def work(office: Office) -> None:
        await office.follow()
        found = office.store.case(case)
        data = None if package is None else read_limited(package, MAX_PACKAGE)
        if data is not None:
            office.is_newest(found, data)
        index = await office.report(found, signer(key))
        output.data(f"reported, entry {index} of the log")
        if package is not None and data is not None:
            proven = await office.proven_report(index)
            write_atomic(package, add_report(data, proven))
            output.talk(f"{package.name} is complete: hand it on with a way to the quorum file")

    _work(config, work)


@app.command()
def notify(config: Config, case: CaseId) -> None:
    """Publish the disclosure and send the letters now, when their day has come."""

    async def work(office: Office) -> None:
        await office.follow()
        found = office.store.case(case)
        if office.ledger.time < office.date(found):
            raise Denied("the notice is not due yet", rule="case.notice")
        await office.notify(found)
        output.talk(f"notice of case {found.id} is given")

    _work(config, work)


@app.command()
def withdraw(config: Config, case: CaseId) -> None:
    """Give up an order that was not admitted yet."""

    async def work(office: Office) -> None:
        office.withdraw(office.store.case(case))

    _work(config, work)


@app.command()
def show(config: Config, case: CaseId, *, json: AsJson = False) -> None:
    """Show an order in full."""

    async def work(office: Office) -> None:
        office.recall()
        found = office.store.case(case)
        if json:
            facts = summary(found.order, office.policy.clocks)
            output.data({"case": found.id, "state": found.state, **facts}, as_json=True)
            return
        for line in lines_of(office, found):
            output.data(line)

    _work(config, work)


@app.command(name="list")
def list_(config: Config, *, json: AsJson = False) -> None:
    """List the cases of this desk."""

    async def work(office: Office) -> None:
        office.recall()
        rows = [
            {
                "case": each.id,
                "state": str(each.state),
                "reference": each.order.reference,
                "notice_due": shown(office.date(each)),
            }
            for each in office.store.cases()
        ]
        output.table(rows, as_json=json)

    _work(config, work)


@app.command()
def settings() -> None:
    """Print every setting of a desk."""
    output.data(_SETTINGS.rstrip())


# -- below the commands -----------------------------------------------------------------------


def _warn(office: Office, case: Case, role: str, key: SigningKey) -> None:
    """Say beforehand what provider and keyholders will say."""
    if not office.is_named(case, role, key):
        output.talk("this is not the key that the order names: nobody will take the order")


def _write(out: Path, file: CaseFile) -> None:
    """Write the package, and its page beside it for who only wants to read."""
    if not out.is_dir():
        private_folder(out)
    write_atomic(out / "case.zip", file.data)
    write_atomic(out / PAGE, decode_package(file.data)[PAGE])


@contextmanager
def _steps(what: str, count: int) -> Iterator[Callable[[], None]]:
    # Only long work draws a bar; the other verbs need not wait for its library.
    from glasslock.cli.progress import progress  # noqa: PLC0415

    with progress() as bar:
        task = bar.add_task(what, total=count)
        yield lambda: bar.advance(task)
