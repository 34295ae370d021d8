"""ivrd.toml: read, checked against itself, and made into settings.

Paths in the file are taken from the file's own folder. Nothing secret stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ivrd import resources
from ivrd.api_settings import ApiTable, api_problems
from ivrd.card import MAX_CHANNELS
from ivrd.dunning.ages_settings import ArrearsTable
from ivrd.errors import ConfigError, Problem, nearest
from ivrd.import_settings import ImportTable, Mode, import_problems
from ivrd.listen_address import ListenAddress
from ivrd.records import Role
from ivrd.speech.trades import TRADES
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of

TEST_CALL = "test_call"
"""The flow of a test call."""

_RANGES = re.compile(r"\s*\d+\s*(-\s*\d+\s*)?(,\s*\d+\s*(-\s*\d+\s*)?)*\Z")
_NUMBER = re.compile(r"\+?[0-9]{1,15}")
"""What can be dialled: in full as in ITU-T E.164, or as the exchange at hand has it."""


def number_ranges(text: str) -> list[int]:
    """Return the numbers that ``"1-4, 7"`` names. Raises `ValueError` with what was expected."""
    if not _RANGES.match(text):
        raise ValueError(f"{text!r} names no numbers; write them as in 1-4,7")
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if low < 1 or high < low:
            raise ValueError(f"{part.strip()!r} is no range of numbers from 1 on")
        if high - low >= 10_000:
            raise ValueError(f"{part.strip()!r} is too long a range")
        numbers += range(low, high + 1)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{text!r} names a number twice")
    return numbers


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write it as in Asia/Shanghai") from None
    return name


def _ranges(text: str) -> str:
    number_ranges(text)
    return text


def _dialled(number: str) -> str:
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"{number!r} is no telephone number; write it as +8657188610001 or 6001")
    return number


Ranges = Annotated[str, AfterValidator(_ranges)]


class _Table(BaseModel):
    """Any table of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(_Table):
    """[node]: this daemon.

    `trade` is whose words it speaks: the name of a ready one, or a folder, which has a "/" in it.
    """

    name: str = Field("ivrd", pattern=r"^[\w.-]{1,64}$")
    zone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    country_code: str = Field("86", pattern=r"^\d{1,3}$")
    area_code: str = Field("", pattern=r"^\d{0,4}$")
    languages: list[str] = Field(["zh-CN"], min_length=1)
    trade: str | None = Field(None, min_length=1)
    data: Path = Path("var")


class Enquiry(_Table):
    """[enquiry]: the service that callers reach (product E1 to E8)."""

    disclosure: Literal["open", "own-line", "checked"]
    proof: Literal["password", "last-digits"] = "password"
    flow: str = "enquiry"
    last_digits_of: Literal["identity", "agreement"] = "identity"
    months_back: int = Field(12, ge=1, le=120)
    speak_zero_items: bool = False
    when_stopped: Literal["sentence", "busy"] = "sentence"


class Billing(_Table):
    """[billing]: where the bills are; `mapping` is a file, or the name of a ready profile.

    In stand-alone mode they are in ivrd's own file, and [import] says where they come from.
    """

    mode: Mode = "network"
    mapping: str = ""
    url: str = ""
    password_env: str | None = None
    password_file: Path | None = None
    threads: int = Field(4, ge=1, le=64)
    limit_s: float = Field(2.5, gt=0, le=30)


class CardTable(_Table):
    """[[card]]: one card, found by the name of its driver."""

    name: str = Field(pattern=r"^[\w.-]{1,32}$")
    driver: str
    channels: int = Field(8, ge=1, le=MAX_CHANNELS)
    when_full: Literal["busy", "sentence"] = "busy"
    options: dict[str, Any] = Field(default_factory=dict)


class LinesTable(_Table):
    """[[lines]]: what lines are used for; a line stands for one channel of one card."""

    numbers: Ranges
    card: str
    channels: Ranges
    role: Role = Role.ENQUIRY
    rings: int = Field(1, ge=1, le=10)


class Dial(_Table):
    """[dial]: the only numbers that `ivrd dial --test` may call, and whom they see calling."""

    test: list[Annotated[str, AfterValidator(_dialled)]] = Field(min_length=1)
    caller_id: Annotated[str, AfterValidator(_dialled)]


class StoreTable(_Table):
    """[store]: ivrd's own data; without a URL, an SQLite file in the data folder."""

    url: str | None = None
    password_env: str | None = None
    password_file: Path | None = None


class OuterLimit(_Table):
    """[dunning.outer_limit]: the named exception that moves the limit under every campaign."""

    because: str = Field(min_length=8)
    hours: str | None = None
    attempts_a_day: int | None = Field(None, ge=1, le=20)


class Dunning(_Table):
    """[dunning]: outbound calls (product D1 to D15); without it nobody is dialled."""

    caller_id: Annotated[str, AfterValidator(_dialled)]
    flow: str = "dunning"
    country: str = Field("CN", pattern=r"^[A-Z]{2}$")
    subdivision: str | None = None
    profiles: list[str] = Field(default_factory=lambda: ["cn-consumer-credit"])
    dials_per_s: float = Field(2.0, gt=0, le=50)
    guard_s: float = Field(1.0, ge=0, le=60)
    breaker_faults: int = Field(5, ge=1, le=100)
    breaker_pause_s: float = Field(300, ge=1, le=86400)
    blocked: list[Annotated[str, Field(pattern=r"^\+?[0-9]{1,15}$")]] = Field(default_factory=list)
    abroad: list[Annotated[str, Field(pattern=r"^\+[0-9]{1,14}$")]] = Field(default_factory=list)
    only: list[Annotated[str, Field(pattern=r"^\+[0-9]{7,15}$")]] | None = None
    transfer: Annotated[str, AfterValidator(_dialled)] | None = None
    ring_back_days: int = Field(7, ge=0, le=90)
    outer_limit: OuterLimit | None = None


class Mqtt(_Table):
    """[mqtt]: the broker that is told how every line stands; without it no broker is told.

    `port` is 1883, with `tls` 8883, where none is named. `events` may wait while the broker is
    away; what is older is dropped. `commands` lets the daemon be commanded through the broker.
    """

    host: str = Field("127.0.0.1", min_length=1)
    port: int | None = Field(None, ge=1, le=65535)
    version: Literal["5", "3.1.1"] = "5"
    prefix: str = Field("ivrd", pattern=r"^[^+#$/\x00][^+#\x00]*$", max_length=100)
    client_id: str | None = Field(None, min_length=1, max_length=100)
    user: str | None = Field(None, min_length=1)
    password_env: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    commands: bool = False
    events: int = Field(1000, ge=1, le=100_000)
    counters_s: float = Field(10, ge=1, le=3600)
    keepalive_s: int = Field(30, ge=5, le=3600)


class Metrics(_Table):
    """[metrics]: where Prometheus and health checks ask; without it nobody can."""

    listen: ListenAddress = "127.0.0.1:9170"


class Log(_Table):
    """[log]: line logs, and the daemon's own.

    A file is rotated at `max_mb`, and when its first line is `max_days` old; `keep` old ones
    stay. With `rotation` "outside" it is left to logrotate. `daemon` is a file that has what goes
    to stderr too, in this `format`.
    """

    max_mb: float = Field(16, gt=0)
    max_days: float | None = Field(None, gt=0, le=3660)
    keep: int = Field(10, ge=1, le=1000)
    rotation: Literal["own", "outside"] = "own"
    private: Literal["mask", "clear"] = "mask"
    daemon: Path | None = None
    format: Literal["text", "json"] = "text"

    @property
    def max_bytes(self) -> int:
        """Size at which a file is rotated; 0 for none."""
        return int(self.max_mb * 1e6) if self.rotation == "own" else 0

    @property
    def max_age_s(self) -> float:
        """Age at which a file is rotated; 0 for none."""
        return (self.max_days or 0) * 86_400 if self.rotation == "own" else 0.0


class Places(_Table):
    """[places]: where flows, voice files and the control socket are, if not where ivrd has them."""

    flows: Path | None = None
    prompts: Path | None = None
    socket: Path | None = None


class Config(_Table):
    """All of ivrd.toml."""

    node: Node = Node()  # type: ignore[call-arg]  # every field has a default
    enquiry: Enquiry
    billing: Billing
    import_: ImportTable | None = Field(None, alias="import")
    card: list[CardTable] = Field(min_length=1)
    lines: list[LinesTable] = Field(default_factory=list)
    dial: Dial | None = None
    dunning: Dunning | None = None
    arrears: ArrearsTable = ArrearsTable()  # type: ignore[call-arg]  # as above
    store: StoreTable = StoreTable()
    mqtt: Mqtt | None = None
    metrics: Metrics | None = None
    api: ApiTable | None = None
    log: Log = Log()  # type: ignore[call-arg]  # as above
    places: Places = Places()
    _path: Path = PrivateAttr(default=Path("ivrd.toml"))

    @property
    def path(self) -> Path:
        """The file that this was read from."""
        return self._path

    def _at(self, path: Path) -> Path:
        return path if path.is_absolute() else self.path.parent / path

    @property
    def data(self) -> Path:
        """Folder of what the daemon writes."""
        return self._at(self.node.data)

    @property
    def logs(self) -> Path:
        """Folder of the line logs."""
        return self.data / "log"

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self._at(self.places.socket) if self.places.socket else self.data / "ivrd.sock"

    @property
    def flows(self) -> Path:
        """Folder of the flows."""
        return self._at(self.places.flows) if self.places.flows else resources.FLOWS

    @property
    def prompts(self) -> Path:
        """Folder of the voice files."""
        return self._at(self.places.prompts) if self.places.prompts else resources.PROMPTS

    @property
    def trade(self) -> Path | None:
        """Folder of the trade's own words; None for the telephone's."""
        named = self.node.trade
        if named is None:
            return None
        return self._at(Path(named)) if "/" in named else self.prompts / TRADES / named

    @property
    def flow_file(self) -> Path:
        """The enquiry flow."""
        return self.flows / f"{self.enquiry.flow}.toml"

    @property
    def test_call_file(self) -> Path:
        """The flow of a test call."""
        return self.flows / f"{TEST_CALL}.toml"

    @property
    def mapping(self) -> Path:
        """The operator's billing mapping: a file, or a ready profile by its name."""
        said = self.import_.mapping if self.import_ else self.billing.mapping
        named = self._at(Path(said))
        return resources.PROFILES / f"{said}.toml" if not named.suffix else named

    @property
    def billing_file(self) -> Path | None:
        """The billing file of ivrd's own, in stand-alone mode alone."""
        return self.data / "billing.db" if self.import_ else None

    @property
    def billing_url(self) -> str:
        """The billing database's URL, a relative SQLite file taken from the folder of ivrd.toml."""
        if self.billing_file is not None:
            return f"sqlite:///{self.billing_file.absolute()}"
        return self._database(self.billing.url)

    @property
    def import_url(self) -> str | None:
        """The URL of the database that is imported."""
        return self._database(self.import_.url) if self.import_ and self.import_.url else None

    @property
    def store_url(self) -> str:
        """The URL of ivrd's own store."""
        if self.store.url is None:
            return f"sqlite:///{(self.data / 'store.db').absolute()}"
        return self._database(self.store.url)

    @property
    def store_password_file(self) -> Path | None:
        """The file of the store's password."""
        return self._at(self.store.password_file) if self.store.password_file else None

    def file_of(self, named: Path | None) -> Path | None:
        """Return a file that ivrd.toml names, taken from its own folder; None for none."""
        return self._at(named) if named else None

    @property
    def dunning_flow_file(self) -> Path | None:
        """The dunning flow; None where nobody is dialled."""
        return self.flows / f"{self.dunning.flow}.toml" if self.dunning else None

    def _database(self, url: str) -> str:
        start = "sqlite:///"
        if not url.startswith(start) or url.startswith(start + "/"):
            return url
        return start + str(self._at(Path(url.removeprefix(start))).absolute())

    @property
    def password_file(self) -> Path | None:
        """The file of the database's password."""
        return self._at(self.billing.password_file) if self.billing.password_file else None

    @property
    def zone(self) -> ZoneInfo:
        """The node's time zone."""
        return ZoneInfo(self.node.zone)

    def line_log(self, number: int) -> Path:
        """Return the log file of a line."""
        return self.logs / f"line-{number:02}.log"

    def every_line(self) -> Iterator[tuple[int, str, int, LinesTable | None]]:
        """Yield number, card, channel and table of every line; without [[lines]], all channels."""
        if not self.lines:
            number = 0
            for card in self.card:
                for channel in range(1, card.channels + 1):
                    number += 1
                    yield number, card.name, channel, None
            return
        for table in self.lines:
            pairs = zip(number_ranges(table.numbers), number_ranges(table.channels), strict=True)
            for number, channel in pairs:
                yield number, table.card, channel, table


def load_config(path: Path) -> Config:
    """Load and check ivrd.toml.

    Raises `ConfigError` with all problems: file, line, key, what was expected, nearest name.
    """
    file = TomlFile(path, ConfigError)
    try:
        config = Config.model_validate(file.data)
    except ValidationError as error:
        raise ConfigError(problems_of(error, Config, file)) from None
    config._path = path  # noqa: SLF001 - not a key that a file could have
    problems = [
        *_cards(config, file),
        *_lines(config, file),
        *_test_list(config, file),
        *_mqtt(config, file),
        *_log(config, file),
        *import_problems(
            config.billing.mode,
            file.data["billing"],
            config.import_,
            config.enquiry.months_back,
            file,
        ),
        *(api_problems(config.api, config.billing.threads, file) if config.api else ()),
    ]
    if problems:
        raise ConfigError(problems)
    return config


def _cards(config: Config, file: TomlFile) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, card in enumerate(config.card):
        if card.name in seen:
            yield file.problem(("card", index, "name"), f"{card.name!r} is taken", rule="twice")
        seen.add(card.name)
    for key in {"proof", "last_digits_of"} & set(file.data["enquiry"]):
        # called persons are asked for it too, where a campaign confirms by digits; and clients
        if config.enquiry.disclosure == "checked" or config.dunning or config.api:
            continue
        yield file.problem(("enquiry", key), "is asked for only where callers are checked",
                           expected='disclosure = "checked"', rule="no-use")  # fmt: skip


def _test_list(config: Config, file: TomlFile) -> Iterator[Problem]:
    numbers = config.dial.test if config.dial else []
    for index, number in enumerate(numbers):
        if number in numbers[:index]:
            yield file.problem(("dial", "test", index), f"{number!r} is there twice", rule="twice")


def _log(config: Config, file: TomlFile) -> Iterator[Problem]:
    named = config.file_of(config.log.daemon)
    if named is not None and named in {config.line_log(line) for line, *_ in config.every_line()}:
        yield file.problem(("log", "daemon"), f"{config.log.daemon} is the log of a line",
                           expected="a file of its own", rule="twice")  # fmt: skip
    if config.log.daemon is None and "format" in file.data.get("log", {}):
        yield file.problem(("log", "format"), "is used with a daemon log only",
                           expected="log.daemon", rule="no-use")  # fmt: skip
    if config.log.rotation == "outside" and config.log.max_days is not None:
        yield file.problem(("log", "max_days"), "nothing is rotated with rotation = \"outside\"",
                           expected='rotation = "own"', rule="no-use")  # fmt: skip


def _mqtt(config: Config, file: TomlFile) -> Iterator[Problem]:
    mqtt = config.mqtt
    if mqtt is None:
        return
    for key in ("password_env", "password_file"):
        if getattr(mqtt, key) and not mqtt.user:
            yield file.problem(("mqtt", key), "a password without a user", expected="mqtt.user",
                               rule="no-use")  # fmt: skip
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(mqtt, key) and not mqtt.tls:
            yield file.problem(("mqtt", key), "is used with TLS only", expected="tls = true",
                               rule="no-use")  # fmt: skip
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if getattr(mqtt, key) and not getattr(mqtt, other):
            yield file.problem(("mqtt", key), f"stands without {other}", expected="both files",
                               rule="missing")  # fmt: skip


def _lines(config: Config, file: TomlFile) -> Iterator[Problem]:
    cards = {card.name: card for card in config.card}
    taken: dict[tuple[str, int], int] = {}
    numbers: set[int] = set()
    for index, table in enumerate(config.lines):
        key = ("lines", index)
        lines, channels = number_ranges(table.numbers), number_ranges(table.channels)
        card = cards.get(table.card)
        if card is None:
            yield file.problem((*key, "card"), f"no card {table.card!r}",
                               nearest=nearest(table.card, cards), rule="unknown-card")  # fmt: skip
            continue
        if len(lines) != len(channels):
            yield file.problem((*key, "channels"), f"{len(lines)} lines, {len(channels)} channels",
                               expected="as many channels as lines", rule="count")  # fmt: skip
            continue
        beyond = [str(channel) for channel in channels if channel > card.channels]
        if beyond:
            yield file.problem((*key, "channels"), f"{card.name!r} has no channel "
                               f"{', '.join(beyond)}", expected=f"1 to {card.channels}",
                               rule="channel")  # fmt: skip
        for line, channel in zip(lines, channels, strict=True):
            if line in numbers:
                yield file.problem((*key, "numbers"), f"line {line} is there twice", rule="twice")
            elif (card.name, channel) in taken:
                other = taken[card.name, channel]
                yield file.problem((*key, "channels"), f"channel {channel} of card {card.name!r} "
                                   f"has line {other} already", rule="channel-twice")  # fmt: skip
            numbers.add(line)
            taken.setdefault((card.name, channel), line)
