"""The demo, as the README's first command runs it."""

import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path

from trendbot.sources.sample import last_day

TRENDBOT = str(Path(sys.executable).with_name("trendbot"))


def demo(folder: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [TRENDBOT, *arguments], cwd=folder, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def mails(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "mail" / "new").iterdir()}


def test_demo_mails_once_and_tells_where(tmp_path: Path) -> None:
    out = demo(tmp_path, "demo")
    home = tmp_path / "trendbot-demo"
    first = mails(home)
    assert len(first) == 2
    assert all(name in out for name in first)
    again = demo(tmp_path, "demo")
    assert mails(home) == first
    assert "0 mails were sent now" in again
    message = message_from_bytes(min(first.values()), policy=policy.default)
    assert str(last_day().year) in str(message["Subject"])
    config = str(home / "trendbot.toml")
    assert "yes" in demo(tmp_path, "--config", config, "status")
    shown = demo(tmp_path, "--config", config, "digest", "show", "--date", str(last_day()))
    assert "https://arxiv.org/abs/" in shown


def test_demo_leaves_a_strange_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    out = demo(tmp_path, "demo", "--home", str(tmp_path), status=1)
    assert "not empty" in out
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
