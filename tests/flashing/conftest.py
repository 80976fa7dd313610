"""Fake flashing tools, at the boundary where edgekit starts them: processes with arguments and output."""

import json
import sys
from pathlib import Path

import pytest

# Logs its arguments, and answers by the first of the given words that it finds among them: prints, waits
# for nothing, ends with the exit code. A list of answers is used up one call after the other.
FAKE = """#!{python}
import json, pathlib, sys
here = pathlib.Path({folder!r})
with (here / "calls").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
answers = json.loads((here / "answers").read_text())
word = next((word for word in answers if word in sys.argv), None)
if word is None:
    sys.exit(f"the fake does not know {{sys.argv}}")
answer = answers[word].pop(0) if len(answers[word]) > 1 else answers[word][0]
(here / "answers").write_text(json.dumps(answers))
print(answer["output"])
sys.exit(answer["exit_code"])
"""


class FakeTool:
    """A tool that is started as ``python -m NAME`` or from PATH."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._answers: dict[str, list[dict[str, object]]] = {}
        for program in (folder / name, folder / f"{name}.py"):
            program.write_text(FAKE.format(python=sys.executable, folder=str(folder)))
            program.chmod(0o755)
        (folder / "answers").write_text("{}")

    def answers(self, word: str, *outputs: str, exit_code: int = 0) -> None:
        """What is printed by each call with ``word`` among its arguments; the last output stays."""
        self._answers[word] = [{"output": output, "exit_code": exit_code} for output in outputs or ("",)]
        self._write()

    def fails_once(self, word: str, output: str) -> None:
        """The next call with ``word`` among its arguments fails, before the answers that it has."""
        self._answers[word].insert(0, {"output": output, "exit_code": 2})
        self._write()

    def _write(self) -> None:
        (self._folder / "answers").write_text(json.dumps(self._answers))

    @property
    def calls(self) -> list[list[str]]:
        """Arguments of each call so far."""
        log = self._folder / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def calls_with(self, word: str) -> list[list[str]]:
        return [call for call in self.calls if word in call]


@pytest.fixture
def fake_tool(tmp_path, monkeypatch):
    """Puts a fake in the place of the tool of that name."""

    def make(name: str) -> FakeTool:
        folder = tmp_path / f"fake {name}"
        folder.mkdir()
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return FakeTool(folder, name)

    return make
