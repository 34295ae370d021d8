"""Requests as they go to Asterisk, and which Asterisk takes them over the WebSocket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.asterisk import rest


@pytest.mark.parametrize(
    ("version", "takes"),
    [
        ("22.10.1+dfsg+~cs6.17.60671434-1", True),
        ("22.4.0", True),
        ("22.3.9", False),
        ("21.9.0", True),
        ("21.8.1", False),
        ("20.14.0", True),
        ("20.13.2~dfsg", False),
        ("23.0.0-rc1", True),
        ("18.26.4", False),
        ("certified/20.7-cert5", False),
        ("GIT-master-1234", False),
        ("", False),
    ],
)
def test_requests_go_over_the_websocket_from_the_version_on_that_takes_them(
    version: str, takes: bool
) -> None:
    assert rest.takes_requests_over_websocket(version) is takes


def test_a_play_is_one_request_with_the_whole_list_and_our_id() -> None:
    request = rest.play("1.1", "p1", ["sound:/v/a,b", "sound:/v/话费"])
    message = json.loads(request.frame("7"))
    assert message["type"] == "RESTRequest"
    assert (message["request_id"], message["method"]) == ("7", "POST")
    assert message["uri"] == "channels/1.1/play"
    assert message["content_type"] == "application/json"
    body = json.loads(message["message_body"])
    assert body == {"media": ["sound:/v/a,b", "sound:/v/话费"], "playbackId": "p1"}


def test_a_dial_names_its_channel_who_calls_and_its_guard() -> None:
    request = rest.create("c1", "ivrd", "PJSIP/1@trunk", caller_id="010", longest_s=1800)
    assert (request.path, request.lane) == ("channels/create", "c1")
    assert request.body is not None
    assert request.body["channelId"] == "c1"
    assert request.body["variables"] == {
        "TIMEOUT(absolute)": "1800", "CALLERID(num)": "010", "CONNECTEDLINE(num,i)": "010",
    }  # fmt: skip
    dial = rest.dial("c1", 35)
    assert (dial.method, dial.path, dial.lane) == ("POST", "channels/c1/dial?timeout=35", "c1")


def test_a_call_to_a_person_follows_no_other_number_into_the_dialplan() -> None:
    request = rest.originate(
        "c1", "ivrd", "PJSIP/1@trunk", caller_id="010", timeout_s=35, longest_s=1800
    )
    assert request.body is not None
    assert request.body["channelId"] == "c1"
    guard = {"TIMEOUT(absolute)": "1800", "FORWARD_CONTEXT": rest.NOWHERE}
    assert request.body["variables"] == guard


def test_the_filter_lets_answers_and_the_loss_of_the_application_through() -> None:
    body = rest.filter_events("ivrd").body
    assert body is not None
    kinds = {entry["type"] for entry in body["allowed"]}
    assert {"RESTResponse", "ApplicationReplaced"} <= kinds
    assert "ChannelVarset" not in kinds


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_id_leaves_its_place_in_the_path(call: str, playback: str) -> None:
    assert rest.hang_up(call, "busy").path.count("/") == 1
    assert rest.hang_up(call, "busy").path.count("?") == 1
    assert rest.stop(call, playback).path.count("/") == 1


def test_requests_of_one_call_share_a_lane() -> None:
    requests = [
        rest.answer("c"),
        rest.play("c", "p", ["x"]),
        rest.stop("c", "p"),
        rest.hang_up("c"),
    ]
    assert {request.lane for request in requests} == {"c"}
