# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from pycdlib import PyCdlib

from alpy.adapters.qemu.data_disk import check_data_disk, write_data_disk
from alpy.core.appliance import Appliance, Kernel
from alpy.core.data_disk import DataDisk
from alpy.core.errors import ApplianceFileError, HostError, InvalidValueError

parts = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=60
).filter(lambda part: part not in {".", ".."})
# Names of one depth can't be both a file and a folder.
names = st.lists(parts, min_size=3, max_size=3).map("/".join)


def read(image: Path) -> dict[str, bytes]:
    """Every file on *image* by its name."""
    disk, found = PyCdlib(), {}
    disk.open(str(image))
    for folder, _, files in disk.walk(rr_path="/"):
        for file in files:
            content = BytesIO()
            place = f"{folder.rstrip('/')}/{file}"
            disk.get_file_from_iso_fp(content, rr_path=place)
            found[place.lstrip("/")] = content.getvalue()
    disk.close()
    return found


@given(files=st.dictionaries(names, st.binary(max_size=5000), max_size=6))
def test_what_is_on_the_disk_is_what_was_given(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = tmp_path_factory.mktemp("disk") / "data.iso"
    write_data_disk(DataDisk(files=files), image)
    assert read(image) == files


def test_a_file_of_this_host_is_read_when_the_disk_is_made(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"one")
    disk = DataDisk(files={"rules": source, "empty": b""}, label="cidata")
    source.write_bytes(b"another")
    write_data_disk(disk, tmp_path / "data.iso")
    assert read(tmp_path / "data.iso") == {"rules": b"another", "empty": b""}
    # ECMA-119, 8.4.7: the volume identifier, in the sector after the first 16.
    assert (tmp_path / "data.iso").read_bytes()[0x8028:].startswith(b"cidata   ")


def test_the_same_files_have_the_same_places_on_the_disk(tmp_path: Path) -> None:
    one = DataDisk(files={"b": b"the second", "a/b": b"1"})
    other = DataDisk(files={"a/b": b"1", "b": b"the second"})
    assert one == other
    assert hash(one) == hash(other)
    for number, disk in enumerate((one, other)):
        write_data_disk(disk, tmp_path / str(number))
    first, second = ((tmp_path / str(number)).read_bytes() for number in range(2))
    assert len(first) == len(second)
    assert first.index(b"the second") == second.index(b"the second")


def test_a_disk_survives_pickle() -> None:
    disk = DataDisk(files={"a": b"1", "b": PurePath("c")})
    assert pickle.loads(pickle.dumps(disk)) == disk  # noqa: S301


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", ".", "a/../b", "a\0b", "x" * 256, 3])
def test_a_name_that_no_file_can_have_is_refused(name: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"^file "):
        DataDisk(files={name: b""})


def test_a_file_can_not_be_a_folder_too() -> None:
    with pytest.raises(InvalidValueError, match="file 'a/b/c': 'a' is a file, and no folder"):
        DataDisk(files={"a": b"", "a/b/c": b""})


def test_text_is_refused_as_it_could_be_a_path_or_a_content() -> None:
    with pytest.raises(InvalidValueError, match=r"'rules': its content as bytes, or the pathlib"):
        DataDisk(files={"rules": "permit any"})  # type: ignore[dict-item]


@pytest.mark.parametrize("files", [["a"], "ab", None])
def test_files_without_names_are_refused(files: Any) -> None:
    with pytest.raises(InvalidValueError, match="a mapping of names is wanted"):
        DataDisk(files=files)


@pytest.mark.parametrize("label", ["", "a b", "x" * 33, "ä"])
def test_a_label_that_no_disk_can_have_is_refused(label: str) -> None:
    with pytest.raises(InvalidValueError, match="1 to 32 letters"):
        DataDisk(files={}, label=label)


def test_an_appliance_takes_nothing_else_for_a_data_disk() -> None:
    with pytest.raises(InvalidValueError, match="data_disk 'a': a DataDisk is wanted"):
        Appliance(name="a", kernel=Kernel(image="k"), data_disk="a")  # type: ignore[arg-type]


def test_a_missing_file_is_refused_by_both_names(tmp_path: Path) -> None:
    disk = DataDisk(files={"rules": tmp_path / "missing", "note": b""})
    with pytest.raises(ApplianceFileError, match=r"file 'rules' of the data disk .*missing: No su"):
        check_data_disk(disk)


def test_an_empty_file_may_be_on_it(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    check_data_disk(DataDisk(files={"empty": tmp_path / "empty"}))


@pytest.mark.parametrize("what", ["source", "image"])
def test_what_can_not_be_read_or_written_is_told(tmp_path: Path, what: str) -> None:
    source = tmp_path / ("missing" if what == "source" else "source")
    (tmp_path / "source").write_bytes(b"1")
    image = tmp_path / ("data.iso" if what == "source" else "missing/data.iso")
    with pytest.raises(HostError, match=r"write the data disk .*: No such file") as caught:
        write_data_disk(DataDisk(files={"a": source}), image)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_disk_with_another_label_keeps_its_files() -> None:
    disk = DataDisk(files={"a": b"1"})
    assert evolve(disk, label="cidata") == DataDisk(files={"a": b"1"}, label="cidata")
