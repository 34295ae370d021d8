"""Where the data that comes with ivrd lies: flows and voice files.

They stand beside the package, in a checkout and in an installed wheel alike.
"""

from __future__ import annotations

from pathlib import Path

_TOP = Path(__file__).resolve().parent.parent

FLOWS = _TOP / "fsm_specs"
PROMPTS = _TOP / "voice_prompts"
PROFILES = Path(__file__).resolve().parent / "billing" / "profiles"
