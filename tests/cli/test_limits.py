"""One set of limits: what edgekit.toml may not say, the command line may not say either."""

import pytest

from edgekit.config import Settings, override
from edgekit.errors import UsageError

OUT_OF_RANGE = [
    ("seed", "-1"),
    ("seed", str(2**64)),
    ("data.image_size", "-4"),
    ("data.max_images", "-3"),
    ("data.test_fraction", "nan"),
    ("model.alpha", "nan"),
    ("model.blocks", "0"),
    ("training.learning_rate", "nan"),
    ("training.learning_rate", "inf"),
    ("training.weight_decay", "inf"),
    ("training.epochs", str(10**9)),
    ("quantization.calibration_images", "-1"),
    ("verify.noise", "-5"),
    ("verify.pictures", "-1"),
    ("verify.layer_check_inputs", "-3"),
]
FLAGS = [
    ("--seed", "-1", "seed"),
    ("--seed", str(2**64), "seed"),
    ("--image-size", "4", "data.image_size"),
    ("--max-images", "0", "data.max_images"),
    ("--alpha", "nan", "model.alpha"),
    ("--blocks", "14", "model.blocks"),
    ("--learning-rate", "inf", "training.learning_rate"),
    ("--epochs", "0", "training.epochs"),
    ("--noise", "-1", "verify.noise"),
    ("--pictures", "-1", "verify.pictures"),
]


@pytest.mark.parametrize(("setting", "value"), OUT_OF_RANGE)
def test_out_of_range_in_the_project_file(edgekit, workspace, setting, value):
    table, _, key = setting.rpartition(".")
    (workspace / "edgekit.toml").write_text(f"{f'[{table}]' if table else ''}\n{key} = {value}\n")
    outcome = edgekit("verify", "-w", workspace)
    assert outcome.exit_code == 2
    assert setting in outcome.err
    assert "edgekit.toml" in outcome.err
    assert not (workspace / "out").exists()


@pytest.mark.parametrize(("flag", "value", "setting"), FLAGS)
def test_out_of_range_on_the_command_line(edgekit, workspace, flag, value, setting):
    outcome = edgekit("verify", "-w", workspace, flag, value)
    assert outcome.exit_code == 2
    assert setting in outcome.err
    assert not (workspace / "out").exists()


@pytest.mark.parametrize("flag", ["--seed", "--alpha"])
def test_no_number_at_all(edgekit, workspace, flag):
    outcome = edgekit("verify", "-w", workspace, flag, "many")
    assert outcome.exit_code == 2
    assert f"Invalid value for '{flag}'" in outcome.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"seed = {'9' * 5000}\n", "not valid TOML"),
        (f"seed = {'[' * 3000}", "nested too deeply"),
        (f"[data]\nsource = {'[' * 300}{']' * 300}\n", "data.source"),
    ],
)
def test_text_that_the_parser_cannot_bear(edgekit, workspace, text, message):
    (workspace / "edgekit.toml").write_text(text)
    outcome = edgekit("verify", "-w", workspace)
    assert outcome.exit_code == 2
    assert message in outcome.err


def test_the_largest_seed_is_usable():
    assert override(Settings(), {"seed": 2**32 - 1}).seed == 2**32 - 1
    with pytest.raises(UsageError, match="seed"):
        override(Settings(), {"seed": 2**32})
