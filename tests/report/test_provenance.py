import subprocess

from bundle.report.provenance import find_commit


def git(folder, *command: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *names, "-C", str(folder), *command], check=True, capture_output=True, text=True).stdout.strip()


def test_commit_is_that_of_the_folder_and_says_when_files_were_changed(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert find_commit(tmp_path) == commit
    (tmp_path / "file").write_text("two")
    assert find_commit(tmp_path) == f"{commit} + changes"


def test_there_is_no_commit_outside_a_repository(tmp_path):
    assert find_commit(tmp_path) is None
