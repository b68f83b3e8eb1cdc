"""The case file as one page to read and print: no script, nothing fetched, every value escaped.

Shows what the JSON documents say and adds nothing. Knows HTML; knows no proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from typing import Any

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
.message p, td { unicode-bidi: isolate; }
@media print { body { max-width: none; } .message, .gap, tr { break-inside: avoid; } }
"""


def make_page(
    case: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], custody: Mapping[str, Any]
) -> bytes:
    """Return the page of ``case.json``, ``messages.json`` and ``custody.json``, as read."""
    parts = [
        f"<h1>Case file {_e(case['order']['reference'])}</h1>",
        f"<p class=meta>Made {time_text(case['made'])}, by the desk's clock.</p>",
        _order(case),
        _counts(case),
        _preview(case["preview"]),
        *_conversations(messages, case["gaps"]),
        _keyholders(case),
        _custody(case, custody),
        _evidence(case),
    ]
    title = _e(case["order"]["reference"])
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
        ("Issued", time_text(issued)),
        ("Releases from", time_text(hold)),
        ("Expires", time_text(expires)),
        ("Notice due", time_text(due)),
        ("In the log", f"entry {order['index']}, witnessed {time_text(order['witnessed'])}"),
        ("Order digest", order["digest"]),
    ]
    grants = _table(
        ("sender", "recipient", "conversation", "times", "slots found", "messages"),
        (
            (
                grant["account"],
                grant["recipient"] or "",
                grant["conversation"],
                "; ".join(f"{time_text(a)} to {time_text(b)}" for a, b in grant["times"]),
                grant["slots_found"],
                grant["messages"],
            )
            for grant in order["grants"]
        ),
    )
    return f"<h2>The order</h2>{_table((), rows)}<h3>What it grants</h3>{grants}"


def _counts(case: Mapping[str, Any]) -> str:
    return (
        f"<h2>What was opened</h2><p>{case['messages']} messages from {case['opened_slots']} of "
        f"{len(case['slots'])} granted slots. {len(case['gaps'])} gaps. "
        f"{len(case['keyholder_faults'])} faults of keyholders.</p>"
    )


def _preview(preview: Mapping[str, Any] | None) -> str:
    """What the provider had signed beforehand, beside what was found."""
    if preview is None:
        return "<h3>As foreseen</h3><p>No preview was asked for.</p>"
    why = {each["number"]: f"{each['says']} [{each['rule']}]" for each in preview["differences"]}
    rows = [
        (name.replace("_", " "), said, preview["found"][name], why.get(name, ""))
        for name, said in preview["foreseen"].items()
    ]
    numbers = _table(("", "foreseen", "found", ""), rows)
    return f"<h3>As foreseen by the provider on {time_text(preview['time'])}</h3>{numbers}"


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
        f"{time_text(message['time'])}, position {message['position']}, {receipt}</p>{body}"
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


def _keyholders(case: Mapping[str, Any]) -> str:
    classes = _table(
        ("class", "needed", "of", "released"),
        ((c["name"], c["threshold"], c["seats"], c["released"]) for c in case["classes"]),
    )
    releases = _table(
        ("file", "keyholder", "announced in the log"),
        (
            (each["file"], each["keyholder"], f"entry {each['intent']}")
            if each["counts"]
            else (each["file"], "", "does not count")
            for each in case["releases"]
        ),
    )
    faults = _table(
        ("keyholder", "rule", "what", "slot"),
        (
            (each["keyholder"], each["rule"], each["says"], each["slot"] or "")
            for each in case["keyholder_faults"]
        ),
    )
    return f"<h2>Keyholders</h2>{classes}{releases}{faults}"


def _custody(case: Mapping[str, Any], custody: Mapping[str, Any]) -> str:
    """Who had what when: what the log shows, and what only the desk says."""
    order = case["order"]
    logged = [(order["witnessed"], order["index"], "order", "the provider", "")]
    logged += [
        (each["witnessed"], each["index"], each["kind"], each["by"] or "somebody else", _says(each))
        for each in case["log"]
    ]
    seen = _table(
        ("at the latest", "entry", "what", "by", ""),
        ((time_text(time), *rest) for time, *rest in logged),
    )
    told = _table(
        ("desk's clock", "what", "of"),
        ((time_text(x["time"]), x["what"], x["subject"]) for x in custody["links"]),
    )
    return (
        "<h2>Chain of custody</h2><h3>As the log and its witnesses show it</h3>"
        f"{seen}<h3>As the desk wrote it down</h3>{told}"
    )


def _says(each: Mapping[str, Any]) -> str:
    told = each["says"].items()
    return ", ".join(f"{name} {value}" for name, value in told if value is not None)


def _evidence(case: Mapping[str, Any]) -> str:
    logs = "".join(
        f"<h3>{_e(log['origin'])}</h3><pre><code>{_e(log['checkpoint'])}</code></pre>"
        for log in case["logs"]
    )
    open_ends = _table(
        ("conversation", "account", "what is not proven"),
        ((each["conversation"], each["account"] or "", each["says"]) for each in case["unproven"]),
    )
    return (
        f"<h2>What rests on the provider's word</h2>{open_ends}"
        "<h2>How to check this</h2><p>This page is one file of a sealed package. "
        "<code>glasslock case verify PACKAGE --quorum FILE</code> checks it, and every other file, "
        "without a network, against a quorum file that you have from somebody you trust. Each "
        "message is signed by its sender, stands in a chain without a gap, and lies in a line "
        f"whose head was in the log before the order was.</p>{logs}"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{_e(cell)}</th>' for cell in head)}</tr>"] if head else []
    lines += [f"<tr>{''.join(f'<td>{_e(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def time_text(seconds: int) -> str:
    """Return a time in unix seconds as a person reads it."""
    if seconds == 0:
        return "not written down"
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"


def _e(value: object) -> str:
    return escape(str(value))
