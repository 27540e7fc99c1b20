"""The list of a folder is what DVC writes, or it is refused."""

import json
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.commands.artifacts.dir_lists import parse_list

MD5 = "0" * 32
MALFORMED = "is not a list of files and their md5"


def listed(*paths: object, **more: object) -> bytes:
    return json.dumps([{"relpath": path, "md5": MD5} | more for path in paths]).encode()


def test_paths_in_the_folder_are_read():
    paths = ["a", "b/c", "b/d", "...", "..a", "a../b", ".gitignore", "b-c", "é\n"]
    assert parse_list(listed(*paths)) == dict.fromkeys(paths, MD5)
    assert parse_list(b"[]") == {}


@pytest.mark.parametrize(
    "path",
    ["..", "../a", "a/../b", "a/..", "/a", "", "a//b", "a/", ".", "./a", "a/./b", "a\\b", "a\0b",
     "\ud800", ".git/config", "a/.GIT/hooks/b", ".dvc/config", "a/.dvcignore"],
)  # fmt: skip
def test_a_path_that_may_lead_elsewhere_is_named(path):
    with pytest.raises(ValueError, match="is not a safe path") as refused:
        parse_list(listed("a", path))
    assert repr(path) in str(refused.value)


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b/c", "a-b", "a/b"]])
def test_two_files_in_one_place_are_refused(paths):
    with pytest.raises(ValueError, match="two files in one place"):
        parse_list(listed(*paths))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"null", b"{}", b'""', b"[1]", b"[[]]", b"[{}]", b"[" * 100_000, listed(1),
     listed(None), listed([]), listed("a").decode().encode("utf-16"), b"\xef\xbb\xbf[]",
     listed("a", md5=1), listed("a", md5="0" * 31), listed("a", md5=f"{MD5}.dir"),
     listed("a", md5="../" * 10 + "ab"), listed("a", isexec=True), listed("a", etag="b")],
)  # fmt: skip
def test_what_is_not_a_list_is_refused(content):
    with pytest.raises(ValueError, match=MALFORMED):
        parse_list(content)


NAMES = st.text(alphabet="ab./\\\0\n\ud800é", max_size=9)
SCALARS = st.none() | st.integers() | NAMES | st.just(MD5)
KEYS = st.sampled_from(["relpath", "md5", "isexec"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(st.dictionaries(KEYS, inner)) | inner)


@given(st.lists(NAMES, max_size=3))
def test_whatever_is_accepted_stays_in_the_folder(paths):
    try:
        accepted = parse_list(listed(*paths))
    except ValueError:
        return
    assert list(accepted) == paths
    for path in paths:
        assert posixpath.normpath(f"/folder/{path}") == f"/folder/{path}"
        path.encode()


@given(VALUES)
def test_whatever_json_holds_is_a_list_or_refused(value):
    try:
        accepted = parse_list(json.dumps(value).encode())
    except ValueError:
        return
    assert sorted(accepted) == sorted(entry["relpath"] for entry in value)
