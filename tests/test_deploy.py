"""What `deploy/` says can be typed as it stands, and no secret gets into git or an image."""

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "deploy/compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
COMMANDS = re.findall(r"^#   (.+)$", COMPOSE, re.MULTILINE)
SECRET_FILES = re.findall(r"\{file: (\S+)\}", COMPOSE)


def copied() -> set[str]:
    """What the Dockerfile copies into the image."""
    lines = re.findall(r"^COPY (.+) /src/\S*$", DOCKERFILE, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def lines_of(name: str) -> list[str]:
    return (ROOT / name).read_text().splitlines()


def test_the_commands_for_the_secrets_work_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    subprocess.run(["sh", "-eu", "-c", "\n".join(COMMANDS)], cwd=tmp_path, check=True, timeout=60)

    made = {name: (tmp_path / "deploy" / name).read_text().strip() for name in SECRET_FILES}
    by_name = {Path(name).name: secret for name, secret in made.items()}
    assert len(by_name["secret_key"]) >= 16
    assert by_name["database_url"] == f"postgresql://trendbot:{by_name['db_password']}@db/trendbot"
    assert len(by_name["db_password"]) >= 16
    folder = tmp_path / "deploy/secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    # Compose mounts the files as they are, and the user in the container is another one.
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o644}


def test_the_documentation_says_the_same_commands() -> None:
    assert "".join(f"    {line}\n" for line in COMMANDS) in (ROOT / "docs/operating.md").read_text()


def test_each_secret_of_a_service_has_a_file() -> None:
    named = {
        name for group in re.findall(r"secrets: \[(.+)\]", COMPOSE) for name in group.split(", ")
    }
    assert named == {Path(file).name for file in SECRET_FILES}


def test_a_worker_runs_as_the_daemon_does() -> None:
    daemon, worker = (lines_of(f"deploy/trendbot{which}.service") for which in ("", "-worker"))
    differing = [pair for pair in zip(daemon, worker, strict=True) if len(set(pair)) > 1]
    assert [line.partition("=")[0] for line, _ in differing] == ["Description", "ExecStart"]
    assert differing[1][1].endswith("trendbot worker")
    services = COMPOSE.partition("\nservices:\n")[2]
    settings = re.findall(r"^ {6}TRENDBOT_\w+: .+$", services, re.MULTILINE)
    assert len(settings) == 2 * len(set(settings)) > 0
    assert "\n    command: [worker]\n" in services


def test_secrets_stay_out_of_git_and_images() -> None:
    assert {Path(file).parent for file in SECRET_FILES} == {Path("secrets")}
    assert "/deploy/secrets/" in lines_of(".gitignore")
    first, *others = [line for line in lines_of(".dockerignore") if not line.startswith("#")]
    assert first == "*"
    allowed = {line[1:] for line in others if line.startswith("!")}
    assert allowed == copied()
    assert not any(fnmatch("deploy/secrets/secret_key", f"{name}*") for name in allowed)


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"]}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed | {"pyproject.toml", "constraints.txt"} == copied()
