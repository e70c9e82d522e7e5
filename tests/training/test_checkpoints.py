"""What is kept of a run."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from ignite.engine import Engine

from bundle.checkpoints import read_about
from bundle.training import BestModel, Phase, RunState, fingerprint_images


def make_engine(score: float = 0.0) -> Engine:
    engine = Engine(lambda *_: None)
    engine.state.max_epochs = 5
    engine.state.metrics = {"ncc": score}
    engine.state.key_metric_name = "ncc"
    engine.state.device = torch.device("cpu")
    return engine


def make_state(path: Path, seed: int = 0, resume: bool = True) -> tuple[RunState, torch.nn.Module]:
    network = torch.nn.Linear(2, 2)
    return RunState(path, {"network": network}, {"seed": seed}, resume), network


def test_random_numbers_and_weights_go_on_where_they_were(tmp_path: Path) -> None:
    state, network = make_state(tmp_path / "state.pt")
    engine = make_engine()
    engine.state.epoch, engine.state.iteration = 3, 30
    state.save(engine)
    expected = torch.rand(4)
    again, fresh = make_state(tmp_path / "state.pt")
    engine = make_engine()
    again.load(engine)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(fresh.weight, network.weight)
    assert (engine.state.epoch, engine.state.iteration) == (3, 30)


def test_a_state_with_other_settings_is_refused_and_can_be_replaced(tmp_path: Path) -> None:
    make_state(tmp_path / "state.pt", seed=0)[0].save(make_engine())
    with pytest.raises(ValueError, match="is of a run with other seed: give another output_dir"):
        make_state(tmp_path / "state.pt", seed=1)[0].load(make_engine())
    make_state(tmp_path / "state.pt", seed=1, resume=False)[0].load(make_engine())


def test_a_state_of_an_earlier_version_is_gone_on_with_wherever_the_cohort_lies_now(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    old = {"seed": 0, "dataset_dir": "/old/place", "scans": "a1"}
    RunState(tmp_path / "state.pt", {"network": network}, old).save(make_engine())
    RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, "images": "b2", "scans": "a1"}).load(make_engine())
    with pytest.raises(ValueError, match="a run with other scans: give"):
        RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, "images": "b2", "scans": "a2"}).load(make_engine())


def test_a_state_is_of_a_run_with_its_names_of_classes_where_it_has_any(tmp_path: Path) -> None:
    network, names = torch.nn.Linear(2, 2), {"class_names": ["HC", "PT"]}
    RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0}).save(make_engine())
    RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, **names}).load(make_engine())
    RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, **names}).save(make_engine())
    with pytest.raises(ValueError, match="a run with other class_names: give"):
        RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, "class_names": ["PT", "HC"]}).load(make_engine())


def test_a_state_from_before_scans_could_be_on_disk_is_of_scans_in_memory(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0}).save(make_engine())
    RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, "store_dtype": "float32"}).load(make_engine())
    with pytest.raises(ValueError, match="a run with other store_dtype: give"):
        RunState(tmp_path / "state.pt", {"network": network}, {"seed": 0, "store_dtype": "float16"}).load(make_engine())


def save_images(folder: Path, *contents: bytes) -> pd.DataFrame:
    folder.mkdir()
    rows = []
    for number, content in enumerate(contents):
        (folder / f"{number}.nii").write_bytes(content)
        split = ("train", "validation", "test")[number % 3]
        rows.append({"participant_id": f"sub-{number}", "split": split, "image": str(folder / f"{number}.nii")})
    return pd.DataFrame(rows)


def test_the_fingerprint_of_images_follows_their_content_and_whose_they_are_but_not_their_place(tmp_path: Path) -> None:
    images = [bytes(20000), b"1" * 20000, b"2" * 9, b"3"]
    table = save_images(tmp_path / "one", *images)
    first = fingerprint_images(table)
    assert fingerprint_images(save_images(tmp_path / "moved", *images)) == first
    assert fingerprint_images(table.iloc[::-1]) == first
    assert fingerprint_images(save_images(tmp_path / "test", *images[:2], b"other", images[3])) == first  # a test scan
    others = [images[1::-1] + images[2:], [bytes(20001), *images[1:]], [bytes(19999) + b"1", *images[1:]]]
    others.append([bytes(10000) + b"1" + bytes(9999), *images[1:]])
    found = {fingerprint_images(save_images(tmp_path / f"other{number}", *other)) for number, other in enumerate(others)}
    assert len(found | {first}) == 5


def test_a_full_disk_leaves_the_earlier_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = make_state(tmp_path / "state.pt")
    state.save(make_engine())
    before = (tmp_path / "state.pt").read_bytes()

    def fill_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    with pytest.raises(OSError, match=r"state\.pt could not be saved: No space left"):
        state.save(make_engine())
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert (tmp_path / "state.pt").read_bytes() == before


def run_validations(
    tmp_path: Path, scores: list[float], patience: int, phases: list[Phase] | None = None
) -> tuple[BestModel, Engine, list[float | None]]:
    network = torch.nn.Linear(1, 1)
    best = BestModel(tmp_path / "model.pt", network, make_engine(), interval=1, patience=patience)
    trainer, saved = SimpleNamespace(state=SimpleNamespace(epoch=0), stopped=False, phases=phases or []), []
    trainer.terminate = lambda: setattr(trainer, "stopped", True)
    trainer.find_phase = lambda: phases[-1]
    for score in scores:
        trainer.state.epoch += 1
        best.start(trainer)
        best.validator.state.metrics["ncc"] = score
        torch.nn.init.constant_(network.weight, score)
        best(trainer)
        path = tmp_path / "model.pt"
        saved.append(torch.load(path, weights_only=True)["model"]["weight"].item() if path.is_file() else None)
    return best, trainer, saved


def test_the_best_network_is_kept(tmp_path: Path) -> None:
    best, trainer, saved = run_validations(tmp_path, [0.25, 0.5, 0.125, 0.75], patience=9)
    assert saved == [0.25, 0.5, 0.5, 0.75]
    assert best.state_dict() == {"best": 0.75, "since": 0, "epoch": 4} and not trainer.stopped


def test_only_epochs_of_the_whole_objective_compete_and_the_later_of_equal_ones_is_kept(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("of an earlier run")
    phases = [Phase(2, 2, {}, {}, "classifier"), Phase(1, 2, {}, {}, "reconstruction"), Phase(None, 2, {}, {}, "whole")]
    best, trainer, saved = run_validations(tmp_path, [1.0, 0.875, 1.0, 0.5, 0.25, 0.5, 0.25], 2, phases)
    assert saved == [None, None, None, 0.5, 0.5, 0.5, 0.5] and best.epoch == 6 and not trainer.stopped
    about = read_about(tmp_path / "model.pt")
    assert about == {"epoch": 6, "phase": "whole", "key_metric": "ncc", "score": 0.5}


def test_a_run_that_ends_before_the_whole_objective_leaves_no_network(tmp_path: Path) -> None:
    phases = [Phase(4, 2, {}, {}, "classifier"), Phase(None, 2, {}, {}, "whole")]
    assert run_validations(tmp_path, [0.5, 1.0, 1.0], 1, phases)[2] == [None, None, None]


def test_the_best_of_a_state_without_its_epoch_does_not_count(tmp_path: Path) -> None:
    best = BestModel(tmp_path / "model.pt", torch.nn.Linear(1, 1), make_engine(), 1, 9)
    best.load_state_dict({"best": 0.9, "since": 3})
    assert best.epoch is None and best.best == float("-inf")


def test_training_stops_when_nothing_improves(tmp_path: Path) -> None:
    assert run_validations(tmp_path, [0.5, 0.25, 0.25], patience=2)[1].stopped


def test_a_key_metric_that_is_not_defined_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set key_metric to one that it gives"):
        run_validations(tmp_path, [float("nan")], patience=2)


def test_a_damaged_state_is_named_with_a_remedy(tmp_path: Path) -> None:
    state, _ = make_state(tmp_path / "state.pt")
    state.save(make_engine())
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"state\.pt is damaged .*--resume False"):
        state.load(make_engine())
