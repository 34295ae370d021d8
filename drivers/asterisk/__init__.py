"""A card made of an Asterisk (20 or newer), through its REST interface (ARI).

In ivrd.toml::

    [[card]]
    name = "sip"
    driver = "asterisk"
    channels = 32
    options = { password_file = "/etc/ivrd/ari_secret", endpoint = "PJSIP/{digits}@trunk" }

Where Asterisk sees the voice files under another path, `prompts_here` and `prompts_there` name
the two folders. For more than 32 lines, give each card an `app` of its own, and its calls to that
application in the dialplan. All options: `drivers.asterisk.options.Options`.

`card` puts calls on channels; `channel` turns orders into requests and ARI's events into ours;
`causes` knows how dials end; `ari` keeps the connection, `rest` has the requests as values;
`files` tries every voice file where it will be played.
"""

from drivers.asterisk.card import AsteriskCard

__all__ = ["AsteriskCard"]
