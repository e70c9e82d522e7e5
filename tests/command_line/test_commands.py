"""The printed commands, their errors and their help; what they run is what the configs run."""

import os
import re
import shlex
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from documentation import ROOT
from monai.bundle import ConfigParser
from processes import run_python
from tiny_scans import TINY
from tiny_trained_network import build_trained_network, save_scans

from bundle import SHIPPED
from bundle.command_line import main
from bundle.command_line.commands import COMMANDS
from bundle.command_line.lookups import LOOKUPS
from bundle.command_line.main import BIDS_EPILOG, build_bids_parser, build_parser
from bundle.guards import check_overrides
from bundle.renaming import renew_arguments

VALUES = {"NUMBER": "3", "FOLDER": "folder", "FILE": "network.pt", "NAME": "cpu", "TABLE": "people.tsv"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the files that examples name."""
    for name in ("scans", "heads", "adni_bids", "maps", "my_cohort"):
        (tmp_path / name).mkdir()
    for name in ("network.pt", "output/mine/train/model.pt", "people.tsv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def print_command(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return the words of the command that `icam` prints."""
    assert main([*words, "--print"]) == 0
    command = shlex.split(capsys.readouterr().out)
    assert command[:3] == ["python", "-m", "monai.bundle"]
    return command[3:]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_config_accepts_the_example_of_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = print_command(capsys, name, *shlex.split(COMMANDS[name].example))
    check_overrides(arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_config_accepts_every_option_of_a_command(
    name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    words = []
    for option in COMMANDS[name].options:
        value = "scans" if option.flag in ("SCANS", "RESULTS", "--cohort") else VALUES.get(option.metavar, "")
        if option.flag == "--network":
            value = "ageing" if name == "train" else "network.pt"
        words += [option.flag] * option.flag.startswith("--") + ([value] if option.read else [])
    arguments = print_command(capsys, name, *words)
    check_overrides(arguments)
    assert renew_arguments(arguments) == (arguments, [])  # else it starts twice
    keys = [word.removeprefix("--") for word in arguments if word.startswith("--")]
    expected = {option.key for option in COMMANDS[name].options} - {"network"}
    assert sorted(keys) == sorted([*expected, "config_file"])
    assert caplog.messages == []  # every key changes something


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_names_config_files_and_an_entry_point_that_exist(name: str) -> None:
    command = COMMANDS[name]
    files = [ROOT / "configs" / f"{file}.yaml" for file in command.files]
    assert (command.entry or "run") in ConfigParser.load_config_files(files)


def test_a_network_of_the_bundle_brings_its_config_files(capsys: pytest.CaptureFixture[str]) -> None:
    def find(*words: str) -> list[str]:
        arguments = print_command(capsys, *words)
        return re.findall(r"(\w+)\.yaml", arguments[arguments.index("--config_file") + 1])

    assert find("explain", "scans") == find("explain", "scans", "--network", "lesions") == ["inference"]
    assert find("explain", "scans", "--network", "ageing") == ["inference", "volumes", "ageing"]
    assert find("train", "--network", "conversion") == ["train", "volumes", "conversion"]
    assert find("report", "--network", "conversion", "--config", "volumes96") == [
        "train", "evaluate", "volumes", "conversion", "volumes96",
    ]  # fmt: skip


def test_the_command_is_that_of_the_pages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    main(["explain", "docs", "--output", "MAPS", "--network", "conversion", "--set", "target_value=-5", "--print"])
    assert capsys.readouterr().out == (
        "python -m monai.bundle run"
        " --config_file \"['configs/inference.yaml','configs/volumes.yaml','configs/conversion.yaml']\""
        " --dataset_dir docs --output_dir MAPS --target_value=-5\n"
    )


def test_several_folders_of_maps_are_a_list_that_is_not_rewritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["maps", "a b", "it's", '"x"', "c@d#e", "émile"]
    for name in names[1:]:
        (folder / name).mkdir()
    arguments = print_command(capsys, "group", *names)
    assert renew_arguments(arguments) == (arguments, [])
    config = ConfigParser({"results_dir": arguments[-1], "c": 1})
    assert config.get_parsed_content("results_dir") == names
    assert print_command(capsys, "group", "maps")[-2:] == ["--results_dir", "maps"]


def test_names_of_files_stay_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("$HOME", "@a b", "it's", '"x"'):
        (folder / name).mkdir()
        arguments = print_command(capsys, "explain", name)
        assert Path(arguments[arguments.index("--dataset_dir") + 1]).samefile(folder / name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("explain", "the following arguments are required: SCANS"),
        ("explian scans", "explian is neither a command nor a folder: accepted are explain, .*; did you mean explain?"),
        ("explain nowhere", "SCANS: nowhere does not exist: accepted are a scan, a folder"),
        ("explain scans --samples two", "--samples: accepted is a whole number of at least 2, got two"),
        ("explain scans --samples 1", "--samples: accepted is a whole number of at least 2, got 1"),
        (
            "explain scans --network other.pt",
            "--network: accepted are lesions, conversion, ageing, and the file .*, got other.pt",
        ),
        ("explain scans --sampels 3", "--sampels is not accepted; did you mean --samples?"),
        (
            "explain scans --mirror_axis 0",
            "--mirror_axis is not accepted; a key of the configs is given as --set mirror_axis=VALUE",
        ),
        ("networks --foo", "--foo is not accepted: accepted are --help (see icam networks --help)$"),
        ("view maps --mirror_axis 0", "--mirror_axis is not accepted: accepted are --help, --print (see"),
        ("explain scans --foo 0", "--foo is not accepted: accepted are .*--network.*, --set"),
        ("explain scans --mem_mb 2", "--mem_mb is not accepted: accepted are .*--network.*, --set"),
        (
            "scans maps participant --mem_mb 2",
            "--mem-mb is not accepted: there is no limit of memory; fewer sessions at once, --n-procs, take less (see",
        ),
        ("scans maps participant --mirror_axis 0", "--mirror-axis is not accepted; a .* as --set mirror_axis=VALUE"),
        ("explain scans --set mirror_axis", "--set: accepted is KEY=VALUE, .*, got mirror_axis"),
        ("explain scans --set config_file=a.yaml", "--set: config_file is none of the config's keys"),
        ("explain scans --config volums", "overlay volums does not exist: give a config file, or the name of one"),
        ("train --network network.pt", "--network: accepted are lesions, .*, got network.pt; to start from .*--init-from FILE"),
        ("train --init-from nowhere.pt", "--init-from: nowhere.pt is no file: accepted is a trained network"),
        ("foo --help", "foo is neither a command nor a folder: accepted are explain, .*, networks, view, and BIDS_DIR"),
        ("predict scans --help", "predict is neither a command nor a folder: .*; did you mean explain?"),
        ("explain scans --set num_samles=1 --print", "--set: .*inference.yaml has no key num_samles; did you mean num_samples?"),
        ("explain scans --set inferer#targt=1", "--set: .*inference.yaml has no key inferer#targt .keys inside others"),
        ("explain scans --set batch_size=4", "--set: .* has no key batch_size; in its place: chunk_size"),
        ("list", "icam list counts what is in --cohort FOLDER; networks that come with the bundle: icam networks"),
        ("view nowhere", "RESULTS nowhere does not exist: accepted is a folder that icam explain, "),
        ("view scans", "RESULTS scans has no page: accepted is a folder that icam explain, "),
        *(
            (f"{name} --cohort nowhere", "--cohort: nowhere does not exist: accepted is a folder with scans and their table")
            for name in ("evaluate", "report", "list")
        ),
        ("list scans", "the following arguments are required: --cohort"),
        ("train scans", "scans is not accepted: accepted are .*--cohort"),
        ("--versoin", "--versoin is not accepted; did you mean --version?"),
    ],
)
def test_an_error_is_one_sentence_that_says_what_is_accepted(
    words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("it runs"))
    try:
        status = main(words.split())
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]
    error = capsys.readouterr().err
    assert status == 2 and len(error.splitlines()) == 1
    assert re.match(re.sub(r"[?()]", r"\\\g<0>", f"Error: {message}"), error), error


@pytest.mark.parametrize("setting", ["inferer#steps=2", "preprocessing::transforms::0::max_voxels=9", "draws=bank", "target=1"])
def test_keys_inside_others_and_old_names_are_accepted(setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert setting.partition("=")[2] in print_command(capsys, "explain", "scans", "--set", setting)


def test_view_opens_the_page_of_results_where_there_is_a_display(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setenv("BROWSER", "one")
    (folder / "maps" / "index.html").touch()
    (folder / "scans" / "report").mkdir()
    (folder / "scans" / "report" / "index.html").touch()
    for words, page in (("maps", "maps/index.html"), ("scans", "scans/report/index.html"), ("maps/index.html",) * 2):
        assert main(["view", words]) == 0
        assert capsys.readouterr().out == f"{page}\n" and opened.pop() == (folder / page).as_uri()
    assert main(["view", "maps", "--print"]) == 0 and opened == []
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main(["view", "maps"]) == 0 and opened == []


def test_view_names_the_level_group_where_sessions_have_pages_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "maps" / "sub-01" / "ses-M00").mkdir(parents=True)
    (folder / "maps" / "sub-01" / "ses-M00" / "index.html").touch()
    assert main(["view", "maps"]) == 2
    assert "icam BIDS_DIR maps group writes one of all participants" in capsys.readouterr().err


def test_networks_lists_those_of_the_bundle_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["networks"]) == 0
    text = capsys.readouterr().out
    for part in (*SHIPPED, "0 MCI, 1 AD", "96 x 112 voxels of 2 mm", "simulated ageing", "Warning: simulated scans alone"):
        assert part in text


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_explains_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*([name] if name else []), "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"icam {name} {COMMANDS[name].example}" in text if name else all(each in text for each in (*COMMANDS, *LOOKUPS))
    assert all(option.flag in text for option in (COMMANDS[name].options if name else ()))


def test_without_a_command_there_is_help_and_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: icam" in capsys.readouterr().out


def test_the_program_becomes_the_one_that_it_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    main(["explain", "scans", "--samples", "3"])
    assert started[0][:3] == [sys.executable, "-m", "bundle.command_line.start"]  # monai.bundle, quieter
    assert started[0][3:] == shlex.split(capsys.readouterr().err)[3:]


def test_reading_a_command_line_imports_nothing_heavy() -> None:
    code = "import sys; from bundle.command_line import main; main(['explain', '.', '--print']); print(*sys.modules)"
    modules = run_python(["-c", code], ROOT).stdout  # in a process that has MONAI already
    code = f"{code.rpartition(';')[0]}; sys.exit('torch' in sys.modules or 'monai' in sys.modules or 'numpy' in sys.modules)"
    assert modules and subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_ctrl_c_is_one_sentence_while_monai_is_imported(tmp_path: Path) -> None:
    (tmp_path / "monai").mkdir()
    (tmp_path / "monai" / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    paths = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    words = [sys.executable, "-m", "bundle.command_line.start", "run"]
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr.strip().startswith("Interrupted: ") and "Traceback" not in done.stderr


def test_completion_names_commands_options_networks_and_keys(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")

    def complete(line: str) -> list[str]:
        variables = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
        variables |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "completions"), "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-m", "bundle", "explain"], env=os.environ | variables, check=True, capture_output=True)
        return (tmp_path / "completions").read_text().split()

    assert complete("icam ex") == ["explain"]
    assert complete("icam explain scans --samp") == ["--samples"]
    assert complete("icam explain scans --network conv") == ["conversion"]
    assert complete("icam explain scans --set mirror") == ["mirror_axis="]
    assert "volumes96" in complete("icam explain scans --config volumes")
    assert complete("icam scans maps part") == ["participant"]


def test_icam_starts_without_the_noise_of_every_start(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("num_samples: 3\n")
    files = f"['{ROOT / 'configs' / 'inference.yaml'}','own.yaml']"
    words = ["run", "--config_file", files, "--dataset_dir", tmp_path / "scans"]
    quiet, plain = (run_python(["-m", module, *words], tmp_path, PYTHONPATH=str(ROOT)).stdout
                    for module in ("bundle.command_line.start", "monai.bundle"))  # fmt: skip
    noise = ("UserWarning: parsing config_file", "Setting logging properties", "Not all config files are in")
    assert all(part in plain for part in noise) and not any(part in quiet for part in noise)
    assert "holds no scan" in quiet and "holds no scan" in plain


@pytest.mark.slow
def test_the_command_and_monais_bundle_give_the_same_bytes(tmp_path: Path) -> None:
    build_trained_network(tmp_path, 2)
    scans = save_scans(tmp_path / "tiny", 2)
    keys = {key.replace("::", "#"): value for key, value in TINY.items()} | {"image_size": "[32,32]", "plane": 5.0}
    settings = [word for key, value in (keys | {"check_brains": False}).items() for word in ("--set", f"{key}={value}")]
    words = ["explain", scans, "--network", tmp_path / "model.pt", "--samples", "3", "--seed", "2", "--device", "cpu", *settings]
    (scans / "broken.nii.gz").write_bytes(b"no image")
    files = []
    for run in (0, 1):
        if run == 0:
            done = run_python(["-m", "bundle", *words, "--output", tmp_path / "maps"], ROOT)
        else:
            (tmp_path / "maps").rename(tmp_path / "first")
            command = run_python(["-m", "bundle", *words, "--output", tmp_path / "maps", "--print"], ROOT).stdout
            done = run_python(shlex.split(command)[1:], ROOT)
        assert done.returncode == 1 and "1 of 3 scans failed, the others are done" in done.stdout, done.stdout
        folder = tmp_path / "maps"
        files.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert files[0] == files[1] and len(files[0]) == 6 + 2 * 7


def test_a_word_of_other_bids_apps_is_accepted_for_the_sessions_at_once() -> None:
    for flag in ("--n-procs", "--n-cpus"):
        assert build_bids_parser().parse_args(["scans", "maps", "participant", flag, "3"]).n_procs == "3"


def test_every_command_has_the_options_that_all_have() -> None:
    for name in COMMANDS:
        assert {"--config", "--set", "--print", "--help"} <= build_parser()[1][name]._option_string_actions.keys()


def test_the_examples_of_page_and_bids_app_are_accepted(folder: Path) -> None:
    (folder / "bids").mkdir()
    texts = [(ROOT / "docs" / "command_line.md").read_text(), BIDS_EPILOG]
    lines = [line for text in texts for line in re.findall(r"^ +icam (.+)$", text, flags=re.MULTILINE)]
    assert len(lines) >= 5
    for name, *words in map(shlex.split, lines):
        parser = build_parser()[1].get(name)
        assert parser.parse_args(words) if parser else build_bids_parser().parse_args([name, *words])
