"""Voice files are copied for an exchange: what is new or changed, whole, readable, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ivrd.cli import main
from ivrd.errors import PromptError
from ivrd.prompt_copies import Copied, copy_prompts
from ivrd.resources import PROMPTS

LANG = "zh-CN"
WELCOME = f"{LANG}/audio/welcome.wav"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "sounds" / "ivrd"


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """Let nobody but the owner read new files."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def copied(there: Path) -> Copied:
    return copy_prompts(PROMPTS, [LANG], there)


def test_the_same_tree_is_there(there: Path) -> None:
    done = copied(there)
    originals = sorted((PROMPTS / LANG / "audio").glob("*.wav"))
    assert len(done.new) == len(originals)
    for file in originals:
        assert (there / file.relative_to(PROMPTS)).read_bytes() == file.read_bytes()
    assert not (there / "en-US").exists()


def test_second_time_copies_only_what_has_changed(there: Path) -> None:
    copied(there)
    (there / WELCOME).write_bytes(b"older")
    (there / LANG / "audio" / "goodbye.wav").unlink()
    done = copied(there)
    assert (done.changed, done.new) == ([WELCOME], [f"{LANG}/audio/goodbye.wav"])
    assert (there / WELCOME).read_bytes() == (PROMPTS / WELCOME).read_bytes()


def test_nothing_of_others_is_taken_away(there: Path) -> None:
    others = there / LANG / "audio" / "company-jingle.wav"
    others.parent.mkdir(parents=True)
    others.write_bytes(b"theirs")
    copied(there)
    assert others.read_bytes() == b"theirs"
    assert [path for path in there.rglob("*") if path.name.startswith(".")] == []


@pytest.mark.usefixtures("strict_umask")
def test_asterisk_may_read_every_copy(there: Path) -> None:
    copied(there)
    for path in [there, *there.rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_file_that_is_missing_here_is_told_before_anything_is_copied(
    there: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "voice_prompts"
    shutil.copytree(PROMPTS / LANG, mine / LANG)
    (mine / WELCOME).unlink()
    with pytest.raises(PromptError) as caught:
        copy_prompts(mine, [LANG], there)
    assert [problem.file for problem in caught.value.problems] == [mine / WELCOME]
    assert not there.exists()


@pytest.mark.parametrize("inside", ["", "zh-CN/audio"])
def test_voice_files_are_not_copied_onto_themselves(inside: str) -> None:
    with pytest.raises(PromptError, match="expected another folder"):
        copied(PROMPTS / inside)


def ran(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(folder / "ivrd.toml"), *words])


def test_command_says_what_changed_and_how_the_card_is_told(there: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert CliRunner().invoke(main, ["sample-data", str(home)]).exit_code == 0
    first = ran(home, "prompts", "deploy", str(there), "--lang", LANG)
    assert first.exit_code == 0, first.output
    assert f"new      {WELCOME}" in first.stdout
    assert f'prompts_there = "{there}"' in first.stdout
    (there / WELCOME).write_bytes(b"older")
    told = json.loads(ran(home, "prompts", "deploy", str(there), "--json").stdout)
    assert told["changed"] == [WELCOME]
    assert told["prompts_here"] == str(PROMPTS)
    assert any(name.startswith("en-US/") for name in told["new"])


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert CliRunner().invoke(main, ["sample-data", str(home)]).exit_code == 0
    (tmp_path / "file").write_text("no folder")
    result = ran(home, "prompts", "deploy", str(tmp_path / "file" / "sounds"))
    assert result.exit_code == 2
    assert "sounds" in result.stderr or "file" in result.stderr
