"""The wheel, installed into an empty environment, does the whole job by itself."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT


def run(*command: str, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TRENDBOT"))}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(300)
def test_the_wheel_brings_everything_it_needs(tmp_path: Path) -> None:
    """Needs the package index, as installing trendbot does."""
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path),
        str(ROOT), cwd=tmp_path,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "empty", with_pip=False)
    python = tmp_path / "empty" / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet",
        "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt"), str(wheel),
        cwd=tmp_path,
    )  # fmt: skip
    trendbot = str(python.with_name("trendbot"))
    assert "Your mail lies in" in run(trendbot, "demo", cwd=tmp_path)
    assert len(list((tmp_path / "trendbot-demo" / "mail" / "new").iterdir())) == 2
    run(trendbot, "init", cwd=tmp_path)
    where = run(str(python), "-c", "import trendbot; print(trendbot.__file__)", cwd=tmp_path)
    assert str(tmp_path / "empty") in where
