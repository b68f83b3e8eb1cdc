"""The case file as one page to read: no script, nothing fetched, every value escaped.

Shows what the JSON document says and adds nothing. Knows HTML; knows no proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from typing import Any

from glasslock.casefile.facts import CaseFile

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1, h2, h3 { line-height: 1.2; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem;
         border-bottom: 1px solid #ddd; }
code { font-size: 0.8rem; overflow-wrap: anywhere; }
.message { border-left: 4px solid #35618f; margin: 0.8rem 0; padding: 0.2rem 0.8rem; }
.message p { margin: 0.2rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.gap { border-left: 4px solid #b3261e; margin: 0.8rem 0; padding: 0.2rem 0.8rem;
       background: #fbeeed; }
.meta { color: #555; font-size: 0.85rem; }
summary { cursor: pointer; color: #555; font-size: 0.85rem; }
"""


def make_page(file: CaseFile, signed_by: str | None) -> bytes:
    """Return the page of a case file; ``signed_by`` is the hex key of its statement, if any."""
    facts = file.facts
    parts = [
        f"<h1>Case file {_e(facts['order']['reference'])}</h1>",
        f"<p class=meta>Made {_time(facts['made'])}. {_signed(signed_by)}</p>",
        f"<p class=meta>Digest of the JSON document: <code>{file.digest.hex()}</code></p>",
        _order(facts),
        _counts(facts),
        *_conversations(facts["messages"], facts["gaps"]),
        _keyholders(facts),
        _evidence(facts),
    ]
    title = _e(facts["order"]["reference"])
    head = (
        '<!doctype html>\n<html lang=en><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Case file {title}</title><style>{_STYLE}</style></head><body>\n"
    )
    return (head + "\n".join(parts) + "\n</body></html>\n").encode()


def _order(facts: Mapping[str, Any]) -> str:
    order = facts["order"]
    issued, expires, hold, due = order["dates"]
    rows = [
        ("Legal basis", order["legal_basis"]),
        ("Offence", order["offence"]),
        *((role, f"{who['name']} ({who['owner']})") for role, who in facts["authorities"].items()),
        ("Issued", _time(issued)),
        ("Releases from", _time(hold)),
        ("Expires", _time(expires)),
        ("Notice due", _time(due)),
        ("In the log", f"entry {order['index']}, witnessed {_time(order['witnessed'])}"),
        ("Order digest", order["digest"]),
    ]
    grants = _table(
        ("sender", "recipient", "conversation", "times", "slots found", "messages"),
        (
            (
                grant["account"],
                grant["recipient"] or "",
                grant["conversation"],
                "; ".join(f"{_time(a)} to {_time(b)}" for a, b in grant["times"]),
                grant["slots_found"],
                grant["messages"],
            )
            for grant in order["grants"]
        ),
    )
    return f"<h2>The order</h2>{_table((), rows)}<h3>What it grants</h3>{grants}"


def _counts(facts: Mapping[str, Any]) -> str:
    slots = facts["slots"]
    return (
        f"<h2>What was opened</h2><p>{len(facts['messages'])} messages from {slots['opened']} of "
        f"{slots['granted']} granted slots. {len(facts['gaps'])} gaps. "
        f"{len(facts['keyholder_faults'])} faults of keyholders.</p>"
    )


def _conversations(
    messages: Sequence[Mapping[str, Any]], gaps: Sequence[Mapping[str, Any]]
) -> Iterable[str]:
    shown = [(m["conversation"], m["position"], _message(m)) for m in messages]
    shown += [(g["conversation"], g["position"] or 0, _gap(g)) for g in gaps]
    shown.sort(key=lambda item: (item[0], item[1]))
    for conversation, items in groupby(shown, key=lambda item: item[0]):
        yield f"<h2>Conversation <code>{_e(conversation)}</code></h2>"
        yield from (text for _, _, text in items)


def _message(message: Mapping[str, Any]) -> str:
    said = message["text"]
    body = f"<p>{_e(said)}</p>" if said is not None else f"<p><code>{message['content']}</code></p>"
    receipt = "receipt holds" if message["receipt"] else "no receipt that holds"
    proofs = _table(
        (),
        [
            (name.replace("_", " "), message[name])
            for name in ("entry", "slot", "m", "header", "signature", "signer", "device", "receipt")
        ],
    )
    return (
        f"<div class=message><p class=meta><b>{_e(message['account'])}</b> "
        f"{_time(message['time'])}, position {message['position']}, {receipt}</p>{body}"
        f"<details><summary>proofs</summary>{proofs}</details></div>"
    )


def _gap(gap: Mapping[str, Any]) -> str:
    position = gap["position"]
    where = "position not known" if position is None else f"position {position}"
    who = "" if gap["account"] is None else f"{gap['account']}, "
    return (
        f"<div class=gap><p class=meta><b>gap</b> {_e(who)}{where}</p>"
        f"<p>{_e(gap['says'])} [{_e(gap['rule'])}]</p></div>"
    )


def _keyholders(facts: Mapping[str, Any]) -> str:
    released = ", ".join(each["keyholder"] for each in facts["releases"]["seats"]) or "nobody"
    faults = _table(
        ("keyholder", "rule", "what", "slot"),
        (
            (each["keyholder"], each["rule"], each["says"], each["slot"] or "")
            for each in facts["keyholder_faults"]
        ),
    )
    return f"<h2>Keyholders</h2><p>Released: {_e(released)}.</p>{faults}"


def _evidence(facts: Mapping[str, Any]) -> str:
    logs = "".join(
        f"<h3>{_e(log['origin'])}</h3><pre><code>{_e(log['checkpoint'])}</code></pre>"
        + _table(("entry",), ((each["index"],) for each in log["entries"]))
        for log in facts["logs"]
    )
    open_ends = _table(
        ("conversation", "account", "what is not proven"),
        ((each["conversation"], each["account"] or "", each["says"]) for each in facts["unproven"]),
    )
    return (
        f"<h2>What rests on the provider's word</h2>{open_ends}"
        "<h2>How to check this</h2><p>The JSON document beside this page holds order, signatures, "
        "policy, manifest, receipts and log proofs in full. Each message is signed by its sender, "
        "stands in a chain without a gap, and lies in a line whose head was in the log before the "
        f"order was.</p>{logs}"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{_e(cell)}</th>' for cell in head)}</tr>"] if head else []
    lines += [f"<tr>{''.join(f'<td>{_e(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _signed(key: str | None) -> str:
    if key is None:
        return "Its statement is not signed."
    return f"Its statement is signed by <code>{_e(key)}</code>."


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"


def _e(value: object) -> str:
    return escape(str(value))
