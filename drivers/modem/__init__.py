"""Voice modems on serial ports: their byte protocol (ITU-T V.253) and a profile per model.

In ivrd.toml::

    [[card]]
    name = "modems"
    driver = "modem"
    channels = 2
    options = { ports = ["/dev/ttyACM0", "/dev/ttyACM1"], profile = "usr5637", called = "170" }

All options: `drivers.modem.options`. `card` opens ports and takes them out of service; `channel`
turns orders into commands, and what a modem hears into events; `link` asks one command at a
time, `stream` sends samples in their time; `setup` makes a modem ready and tests it; `progress`
knows how dials end. `protocol`, `encoder` and `caller_id` are the bytes, without I/O.
"""
