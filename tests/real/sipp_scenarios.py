"""SIPp scenarios of two telephones: one that calls, and one that is called and acts by its number.

Both are told what to do within a call by MESSAGE requests with the Call-ID of that call, sent from
beside: `X-Do: hangup`, or `X-Do: key` with `X-Key: 5` for a key by SIP INFO. What becomes of a
call is logged as `word call-id`: trying, ringing, progress, answered, refused-486, over; `answered`
and `called` with Asterisk's RTP port, `called` with the number and who calls besides.
"""

from __future__ import annotations

import itertools

REFUSALS = (403, 404, 480, 486, 487, 488, 500, 503, 600, 603)
"""What the caller may get."""

REFUSES = {
    301: "Moved Permanently", 302: "Moved Temporarily", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    480: "Temporarily Unavailable", 482: "Loop Detected", 483: "Too Many Hops",
    484: "Address Incomplete", 486: "Busy Here", 488: "Not Acceptable Here",
    500: "Server Internal Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
}  # fmt: skip
"""What the called telephone can refuse with; 301 and 302 name 170, which is ivrd itself."""

MOBILE = "8613"
"""What may stand before these numbers: then they are mobile numbers of China, +86 13 and nine
digits, which a dial plan lets through."""

REASONS = {
    3001: (404, 1), 3017: (486, 17), 3018: (408, 18), 3019: (480, 19), 3020: (480, 20),
    3021: (403, 21), 3022: (410, 22), 3027: (502, 27), 3028: (484, 28), 3034: (503, 34),
    3038: (503, 38), 3055: (403, 55),
}  # fmt: skip
"""How a gateway refuses, by RFC 3398 §7.2.4.1: first digits of the number, SIP code and the cause
of the telephone network, which goes into the Reason header (RFC 3326)."""

FORWARDS = {"4302": "1202[$port]@", "5302": "PJSIP%2F1202[$port]%40trunk@"}
"""Numbers answered with 302 and one that would answer; the second tries to choose the trunk."""

_SDP = """
    v=0
    o=- 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 [local_ip]
    t=0 0
    m=audio {port} RTP/AVP {payloads}
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
"""

_REASON = """
    Reason: Q.850;cause={}"""

_INFO = """
    Signal=[$key]
    Duration=100
"""


def _message(start: str, headers: str, body: str = "", kind: str = "", attributes: str = "") -> str:
    about_body = f"Content-Type: {kind}\n    Content-Length: [len]" if body else "Content-Length: 0"
    text = f"{start}\n    {headers.strip()}\n    {about_body}\n{body}"
    return f"<send {attributes}><![CDATA[\n\n    {text}\n]]></send>"


def _request(method: str, *, uri: str, sides: str, more: str = "", **rest: str) -> str:
    """Return a request; the branch of INVITE, CANCEL and the ACK of a refusal is one."""
    headers = f"""
    Via: SIP/2.0/UDP [local_ip]:[local_port];branch={rest.pop("branch", "[branch]-[cseq]")}
    {sides}
    Call-ID: [call_id]
    CSeq: {rest.pop("cseq", f"[cseq] {method}")}
    Contact: <sip:[local_ip]:[local_port]>
    Max-Forwards: 70{more}"""
    return _message(f"{method} {uri} SIP/2.0", headers, **rest)


def _response(status: str, tag: str = "", more: str = "", user: str = "", **rest: str) -> str:
    headers = f"""
    [last_Via:]
    [last_From:]
    [last_To:]{tag}
    [last_Call-ID:]
    [last_CSeq:]
    [last_Record-Route:]
    Contact: <sip:{user}[local_ip]:[local_port]>{more}"""
    return _message(f"SIP/2.0 {status}", headers, **rest)


def _log(word: str) -> str:
    return f'<action><log message="{word} [call_id]"/></action>'


_PORT = """<ereg regexp="m=audio ([0-9]+)" search_in="body" assign_to="line,media"/>"""


def _label(name: int) -> str:
    return f'<label id="{name}"/>'


_TALK, _TOLD, _HANG_UP, _END = 50, 51, 52, 99

_HEAR = """<action>
  <ereg regexp="hangup" search_in="hdr" header="X-Do:" assign_to="hangup"/>
  <ereg regexp="[0-9*#A-D]" search_in="hdr" header="X-Key:" assign_to="key"/>
</action>"""


def _talk(sides: str) -> str:
    """Return what both do in a call: keys and hanging up as told, and the far end's BYE."""
    return "\n".join(
        (
            _label(_TALK),
            f'<recv request="MESSAGE" optional="true" next="{_TOLD}">{_HEAR}</recv>',
            f'<recv request="BYE">{_log("over")}</recv>',
            _response("200 OK", attributes=f'next="{_END}"'),
            _label(_TOLD),
            f'<nop next="{_HANG_UP}" test="hangup"/>',
            _request("INFO", uri="[next_url]", sides=sides, body=_INFO,
                     kind="application/dtmf-relay", attributes='retrans="500"'),
            f'<recv response="200" next="{_TALK}"/>',
            _label(_HANG_UP),
            _request("BYE", uri="[next_url]", sides=sides, attributes='retrans="500"'),
            '<recv response="481" optional="true"/>',
            f'<recv response="200">{_log("over")}</recv>',
            f'<nop next="{_END}"/>',
        )
    )  # fmt: skip


def _scenario(*parts: str) -> str:
    inner = "\n".join((*parts, _label(_END), "<nop/>"))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="phone">\n{inner}\n</scenario>\n'
    )


def caller(payloads: str = "0 8 101") -> str:
    """Return a telephone that calls; the keywords `ani` and `voice` must be given to SIPp."""
    waiting, cancel, refused, rings, progress = 1, 2, 3, 4, 5
    from_ = "From: <sip:[ani]@[local_ip]>;tag=[call_id]"
    to = "To: <sip:[service]@[remote_ip]:[remote_port]>"
    uri = "sip:[service]@[remote_ip]:[remote_port]"
    first = "z9hG4bK-[call_id]"
    keep_to = '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>'
    refusals = [
        f'<recv response="{code}" optional="true" next="{refused}"><action>{keep_to}'
        f'<log message="refused-{code} [call_id]"/></action></recv>'
        for code in REFUSALS
    ]
    return _scenario(
        _request("INVITE", uri=uri, sides=f"{from_}\n    {to}", branch=first,
                 body=_SDP.format(port="[voice]", payloads=payloads), kind="application/sdp",
                 attributes='retrans="500"'),
        _label(waiting),
        f'<recv response="100" optional="true" next="{waiting}">{_log("trying")}</recv>',
        f'<recv response="180" optional="true" next="{rings}"/>',
        f'<recv response="183" optional="true" next="{progress}"/>',
        *refusals,
        f'<recv request="MESSAGE" optional="true" next="{cancel}"/>',
        f'<recv response="200" rrs="true"><action>{keep_to}{_PORT}'
        '<log message="answered [call_id] [$media]"/></action></recv>',
        _request("ACK", uri="[next_url]", sides=f"{from_}\n    To:[$to]"),
        _talk(f"{from_}\n    To:[$to]"),
        _label(rings),
        f'<nop next="{waiting}">{_log("ringing")}</nop>',
        _label(progress),
        f'<nop next="{waiting}">{_log("progress")}</nop>',
        _label(cancel),
        _request("CANCEL", uri=uri, sides=f"{from_}\n    {to}", branch=first, cseq="1 CANCEL"),
        '<recv response="200" optional="true"/>',
        '<recv response="481" optional="true"/>',
        f'<recv response="487"><action>{keep_to}<log message="over [call_id]"/></action></recv>',
        _label(refused),
        _request("ACK", uri=uri, sides=f"{from_}\n    To:[$to]", branch=first, cseq="1 ACK"),
        f'<nop next="{_END}">{_log("over")}</nop>',
        '<Reference variables="line"/>',
    )  # fmt: skip


def called() -> str:
    """Return a telephone for many calls, whose number says what it does and where its RTP is.

    A number is one digit, three digits and the port: 1200PPPPP rings for 0.7 s and answers,
    1201PPPPP answers at once and hangs up 0.3 s later, 1202PPPPP answers at once, 1180PPPPP rings
    for ever, 1000PPPPP keeps silent, 1486PPPPP is refused with 486 at once and 2486PPPPP after
    0.3 s of ringing. 30.. are refused as REASONS says. All may begin with MOBILE.
    """
    ring, answer, silent, refuse, refuse_later, gone = 1, 2, 3, 4, 5, 6
    wants = {f"r{code}": f"[12]{code}" for code in REFUSES}
    wants |= {f"r{number}": str(number) for number in (*REASONS, *FORWARDS)}
    wants |= {"rings": "1180", "answers": "1200", "brief": "1201", "now": "1202"}
    wants |= {"silent": "1000", "later": "2..."}
    finds = "".join(
        f'<ereg regexp="^INVITE sip:({MOBILE})?{number}" search_in="msg" assign_to="{name}"/>'
        for name, number in wants.items()
    )
    tag = ";tag=[call_number]-[pid]"
    sides = f"From:[$own]{tag}\n    To:[$caller]"
    answered = _response(
        "200 OK", tag, body=_SDP.format(port="[$port]", payloads="0 8 101"),
        kind="application/sdp", attributes='retrans="500"',
    )  # fmt: skip
    cancelled = _response("487 Request Terminated", tag, attributes='retrans="500"')
    # the answers to the INVITE after a CANCEL came must carry the headers of the INVITE
    for name, variable in (("Via", "via"), ("CSeq", "cseq")):
        cancelled = cancelled.replace(f"[last_{name}:]", f"{name}:[${variable}]")
    return _scenario(
        f"""<recv request="INVITE" rrs="true"><action>
        <ereg regexp="sip:([0-9]+([0-9][0-9][0-9][0-9][0-9]))@" search_in="msg"
              assign_to="all,number,port"/>
        <ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
        <ereg regexp=".*" search_in="hdr" header="To:" assign_to="own"/>
        <ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>
        <ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>
        {finds}
        {_PORT}
        <log message="called [call_id] [$media] [$number] [$caller]"/></action></recv>""",
        f'<nop next="{silent}" test="silent"/>',
        f'<nop next="{ring}" test="rings"/>',
        f'<nop next="{ring}" test="answers"/>',
        f'<nop next="{answer}" test="brief"/>',
        f'<nop next="{answer}" test="now"/>',
        f'<nop next="{ring}" test="later"/>',
        *(f'<nop next="{number}" test="r{number}"/>' for number in FORWARDS),
        _label(refuse),
        *(f'<nop next="{code}" test="r{code}"/>' for code in (*REFUSES, *REASONS)),
        *itertools.chain.from_iterable(
            (
                _label(code),
                _response(f"{code} {reason}", tag, user="170@" if code < 400 else "",
                          attributes='retrans="500"'),
                f'<recv request="ACK" next="{_END}">{_log("over")}</recv>',
            )
            for code, reason in REFUSES.items()
        ),
        *itertools.chain.from_iterable(
            (
                _label(number),
                _response(f"{code} {REFUSES[code]}", tag, _REASON.format(cause),
                          attributes='retrans="500"'),
                f'<recv request="ACK" next="{_END}">{_log("over")}</recv>',
            )
            for number, (code, cause) in REASONS.items()
        ),
        *itertools.chain.from_iterable(
            (
                _label(int(number)),
                _response("302 Moved Temporarily", tag, user=user, attributes='retrans="500"'),
                f'<recv request="ACK" next="{_END}">{_log("over")}</recv>',
            )
            for number, user in FORWARDS.items()
        ),
        _label(ring),
        _response("180 Ringing", tag),
        f'<nop next="{refuse_later}" test="later"/>',
        f'<nop next="{silent}" test="rings"/>',
        f'<recv request="CANCEL" next="{gone}" timeout="700" ontimeout="{answer}"/>',
        _label(refuse_later),
        f'<recv request="CANCEL" next="{gone}" timeout="300" ontimeout="{refuse}"/>',
        _label(silent),
        '<recv request="CANCEL"/>',
        _label(gone),
        _response("200 OK", tag),
        cancelled,
        f'<recv request="ACK" next="{_END}">{_log("over")}</recv>',
        _label(answer),
        answered,
        f'<recv request="ACK">{_log("answered")}</recv>',
        f'<nop next="{_TALK}" test="answers"/>',
        f'<nop next="{_TALK}" test="now"/>',
        f'<recv request="BYE" timeout="300" ontimeout="{_HANG_UP}">{_log("over")}</recv>',
        _response("200 OK", attributes=f'next="{_END}"'),
        _talk(sides),
        '<Reference variables="all,line"/>',
    )  # fmt: skip
