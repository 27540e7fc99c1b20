"""A secret in .dvc/config does not get into a commit."""

import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from dvc.config_schema import REMOTE_SCHEMAS

from classifier.base.errors import UserError
from tests.conftest import ROOT
from tests.sharing import CACHE, Shared, flip_a_bit
from tools.check_secrets import SECRETS, main

# What DVC names like a secret, but is a path, a question, an account or a command.
HARMLESS = {
    "ask_passphrase", "ask_password", "bearer_token_command", "credentialpath", "kerb_ticket",
    "exclude_environment_credential", "exclude_managed_identity_credential",
    "exclude_shared_token_cache_credential", "exclude_visual_studio_code_credential",
    "gdrive_user_credentials_file", "key_path", "keyfile", "sse_kms_key_id",
}  # fmt: skip


def test_every_option_of_dvc_that_sounds_like_a_secret_is_known():
    options = {str(name) for schema in REMOTE_SCHEMAS.values() for name in schema}
    sounds = re.compile("key|secret|token|pass|cred|ticket|connection_string")
    assert {name for name in options if sounds.search(name)} == SECRETS | HARMLESS


@pytest.mark.parametrize(
    "line",
    [
        "password = hush", "secret_access_key = hush", "Connection_String = hush",
        "url = ssh://me:hush@example.org/there", "url = https://example.org/there?sig=hush",
        "url = https://hush@example.org/there", "url = ssh://me:hu/sh@example.org/there",
        "url = https://example.org/there?access_token=hush",
    ],
)  # fmt: skip
def test_a_secret_is_named_and_not_shown(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(f"['remote \"team\"']\n    {line}\n")
    with pytest.raises(UserError, match=re.escape('.dvc/config: remote "team": ')) as raised:
        main()
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("text", ["[core]\n<<<<<<< HEAD\n", "x = 1\n", "[core]\nx = %(y)s\n"])
def test_an_odd_config_is_no_traceback(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(text)
    with suppress(UserError):
        main()


def test_the_projects_own_config_has_none(monkeypatch):
    monkeypatch.chdir(ROOT)
    main()


@pytest.fixture
def guarded(shared: Shared) -> Shared:
    """A clone with the hooks of pre-commit."""
    shared.clone.environment["PRE_COMMIT_HOME"] = str(shared.clone.path.parent / "pre-commit")
    shared.clone.run("pre-commit", "install")
    return shared


def test_git_refuses_to_commit_a_secret(guarded):
    guarded.dvc("remote", "add", "team", "ssh://server.example.org/there")
    guarded.dvc("remote", "modify", "team", "password", "hush")
    done = guarded.clone.run("git", "commit", "--all", "--message", "Hush", check=False)
    assert done.returncode != 0
    assert 'error: .dvc/config: remote "team": password: is a secret' in done.stderr


def test_git_pushes_after_the_artifacts(guarded):
    shutil.rmtree(guarded.remote)
    guarded.clone.git("init", "--quiet", "--bare", "../bare")
    guarded.clone.git("push", "../bare", "HEAD")
    assert guarded.is_well()


def test_git_does_not_push_what_damaged_artifacts_belong_to(guarded):
    flip_a_bit(guarded.path(CACHE))
    guarded.clone.git("init", "--quiet", "--bare", "../bare")
    done = guarded.clone.run("git", "push", "../bare", "HEAD", check=False)
    assert done.returncode != 0
    assert guarded.clone.git("ls-remote", "../bare") == ""


def test_make_lint_runs_the_check():
    entries = [
        hook["entry"]
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repo["hooks"]
    ]
    [entry] = [entry for entry in entries if entry.endswith("check_secrets")]
    assert entry.replace(".venv", "$(VENV)") in (ROOT / "Makefile").read_text()
