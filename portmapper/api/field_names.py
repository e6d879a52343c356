"""The names of a row's fields, and which of them a misspelled or translated name means."""

from __future__ import annotations

import re
from functools import cache

FIELD_NAMES = (
    *("port", "protocol", "address", "internal_port", "lifetime", "comment", "family", "conflict"),
    *("backend", "gateway", "remote", "preset", "enabled", "when", "until", "schedule", "same_port"),
    *("external_port", "duration"),
)
"""Every name that a row may use, as `docs/lists.md` describes them."""

# What routers, other programs and spreadsheets in other languages call the fields; without `_` and `-`.
_ELSEWHERE = {
    "port": "ports publicport outsideport wanport listenport dport portnummer anschluss puerto porta poort"
    " 端口 外部端口 ポート 포트",
    "internal_port": "internal insideport privateport lanport targetport hostport localport zielport",
    "external_port": "external",
    "protocol": "proto prot type typ transport protokoll protocolo protocole protocollo"
    " 协议 プロトコル 프로토콜",
    "address": "ip ipaddress addr host hostname target internalip internalclient internaladdress lanip client"
    " adresse dirección direccion indirizzo",
    "lifetime": "ttl lease leasetime leaseduration timeout expires laufzeit dauer duración durée",
    "comment": "comments description desc descr name note notes label title kommentar bemerkung beschreibung"
    " comentario commentaire commento descripción"
    " 备注 说明 コメント",
    "enabled": "enable active disabled aktiv on",
    "remote": "remotehost source sourceip allow allowfrom",
    "family": "ipversion version",
}
_MEANT = {name.replace("_", ""): name for name in FIELD_NAMES} | {
    word: name for name, words in _ELSEWHERE.items() for word in words.split()
}
_SHORTEST = 5
_LONGEST = 30


def meant_field(name: str) -> str:
    """Return the field that an unknown name most likely means, such as `Port`, `ttl` or `protcol`; or empty.

    A hostile list may have a million names, so this compares with one letter less instead of using difflib.
    """
    folded = re.sub(r"\(.*\)|[\W_]", "", name[: _LONGEST + 1].lower())
    if folded in _MEANT or not _SHORTEST <= len(folded) <= _LONGEST:
        return _MEANT.get(folded, "")
    near = _near()
    return next((near[part] for part in _shortened(folded) if part in near), "")


@cache
def _near() -> dict[str, str]:
    words = [word for word in _MEANT if len(word) >= _SHORTEST]
    return {part: _MEANT[word] for word in reversed(words) for part in _shortened(word)}


def _shortened(word: str) -> list[str]:
    """Return a word, and the word without each of its letters."""
    return [word, *(word[:place] + word[place + 1 :] for place in range(len(word)))]
