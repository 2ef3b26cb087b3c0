# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Apps adapter promises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Literal, Protocol

import attrs
import pytest

from alpy.core.app import AppSpec
from alpy.core.errors import DockerError, ImageMissingError, InvalidValueError
from alpy.core.exit_status import ExitStatus
from alpy.core.ports import Apps, Clock
from alpy.core.waiting import wait_until

# Long enough for a container on a busy machine; no good run feels it.
PATIENCE = 30.0


class AppsRig(Protocol):
    """What differs between containers and a world in memory. Node 0 is up."""

    @property
    def apps(self) -> Apps: ...

    @property
    def clock(self) -> Clock:
        """The clock that the apps live by."""
        ...

    @property
    def log(self) -> Path:
        """Where an app may write its log."""
        ...

    def spec_that_prints(
        self,
        text: bytes,
        *,
        exit_code: int = 0,
        stream: Literal["stdout", "stderr"] = "stdout",
    ) -> AppSpec:
        """An app that writes *text* and ends with *exit_code*."""
        ...

    def spec_that_runs_on(self, *, first: bytes = b"") -> AppSpec:
        """An app that writes *first* and then runs until a signal ends it."""
        ...

    def spec_of_missing_image(self) -> AppSpec: ...

    def spec_of_missing_command(self) -> AppSpec: ...

    def remove_behind_our_back(self, name: str) -> None:
        """Remove the app as somebody else would."""
        ...

    def leftovers(self) -> Sequence[str]:
        """The names of the apps that exist now, running or not."""
        ...


def start(rig: AppsRig, spec: AppSpec, *, name: str = "app") -> None:
    rig.apps.create(spec, name=name, node=0, log=rig.log)
    rig.apps.start(name)


def run(rig: AppsRig, spec: AppSpec) -> ExitStatus | None:
    start(rig, spec)
    return rig.apps.wait("app", timeout=PATIENCE)


def start_and_see(rig: AppsRig, first: bytes) -> None:
    start(rig, rig.spec_that_runs_on(first=first))
    wait_until(
        lambda: rig.apps.output("app").stdout == first,
        awaited="the first output",
        timeout=PATIENCE,
        clock=rig.clock,
    )


class AppsContract:
    """A subclass gives the fixture `rig`, which removes all in the end."""

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_what_it_writes_is_in_its_output_and_in_its_log(
        self, rig: AppsRig, stream: Literal["stdout", "stderr"]
    ) -> None:
        run(rig, rig.spec_that_prints(b"hello\n", stream=stream))
        output = rig.apps.output("app")
        other = "stderr" if stream == "stdout" else "stdout"
        assert (getattr(output, stream), getattr(output, other)) == (b"hello\n", b"")
        assert not output.truncated
        rig.apps.remove("app")
        assert rig.log.read_bytes() == b"hello\n"

    def test_bytes_that_are_no_text_are_kept(self, rig: AppsRig) -> None:
        run(rig, rig.spec_that_prints(b"\xff\x00\xfe no line end"))
        assert rig.apps.output("app").stdout == b"\xff\x00\xfe no line end"

    @pytest.mark.parametrize("code", [0, 1, 193, 255])
    def test_its_exit_code_is_told(self, rig: AppsRig, code: int) -> None:
        assert run(rig, rig.spec_that_prints(b"", exit_code=code)) == ExitStatus(code=code)

    def test_an_ended_app_can_be_waited_for_again(self, rig: AppsRig) -> None:
        status = run(rig, rig.spec_that_prints(b"", exit_code=3))
        assert rig.apps.wait("app", timeout=0) == status

    def test_one_that_runs_on_has_no_status_yet(self, rig: AppsRig) -> None:
        start(rig, rig.spec_that_runs_on())
        assert rig.apps.wait("app", timeout=0.05) is None

    def test_its_status_is_none_while_it_runs_and_told_when_it_ended(self, rig: AppsRig) -> None:
        start_and_see(rig, b"ready\n")
        assert rig.apps.status("app") is None
        rig.apps.send_signal("app", "SIGKILL")
        ended = wait_until(
            lambda: rig.apps.status("app"), awaited="its end", timeout=PATIENCE, clock=rig.clock
        )
        assert ended == ExitStatus(signal=9)

    def test_its_output_can_be_read_while_it_runs(self, rig: AppsRig) -> None:
        start_and_see(rig, b"ready\n")

    def test_before_its_start_it_has_written_nothing(self, rig: AppsRig) -> None:
        rig.apps.create(rig.spec_that_prints(b"hello\n"), name="app", node=0, log=rig.log)
        assert rig.apps.output("app").stdout == b""
        assert rig.log.read_bytes() == b""

    @pytest.mark.parametrize(("signal", "number"), [("SIGTERM", 15), ("SIGINT", 2), ("SIGKILL", 9)])
    def test_the_signal_that_ended_it_is_told(self, rig: AppsRig, signal: str, number: int) -> None:
        start_and_see(rig, b"ready\n")
        rig.apps.send_signal("app", signal)
        assert rig.apps.wait("app", timeout=PATIENCE) == ExitStatus(signal=number)

    def test_a_signal_to_an_ended_app_is_no_error(self, rig: AppsRig) -> None:
        run(rig, rig.spec_that_prints(b""))
        rig.apps.send_signal("app", "SIGTERM")

    def test_a_command_that_is_not_in_the_image_ends_with_127(self, rig: AppsRig) -> None:
        assert run(rig, rig.spec_of_missing_command()) == ExitStatus(code=127)
        assert rig.apps.output("app").stderr

    def test_an_image_that_is_not_there_is_named(self, rig: AppsRig) -> None:
        spec = rig.spec_of_missing_image()
        with pytest.raises(ImageMissingError) as missing:
            rig.apps.create(spec, name="app", node=0, log=rig.log)
        assert missing.value.image == spec.image
        rig.apps.remove("app")
        assert not rig.leftovers()

    def test_a_file_that_is_not_on_the_host_is_named(self, rig: AppsRig) -> None:
        missing = PurePath(rig.log.parent / "no such file")
        spec = attrs.evolve(rig.spec_that_prints(b""), files={"/etc/it": missing})
        with pytest.raises(InvalidValueError, match="no such file"):
            rig.apps.create(spec, name="app", node=0, log=rig.log)

    def test_apps_have_names_of_their_own(self, rig: AppsRig) -> None:
        start(rig, rig.spec_that_runs_on(), name="one")
        rig.apps.create(
            rig.spec_that_prints(b"", exit_code=4),
            name="two",
            node=0,
            log=rig.log.with_name("two.log"),
        )
        rig.apps.start("two")
        assert rig.apps.wait("two", timeout=PATIENCE) == ExitStatus(code=4)
        assert rig.apps.wait("one", timeout=0) is None

    def test_removing_kills_what_runs(self, rig: AppsRig) -> None:
        start(rig, rig.spec_that_runs_on())
        assert len(rig.leftovers()) == 1
        rig.apps.remove("app")
        assert not rig.leftovers()

    def test_one_that_never_started_is_removed(self, rig: AppsRig) -> None:
        rig.apps.create(rig.spec_that_runs_on(), name="app", node=0, log=rig.log)
        rig.apps.remove("app")
        assert not rig.leftovers()

    def test_removing_what_never_was_does_nothing(self, rig: AppsRig) -> None:
        rig.apps.remove("app")

    def test_removing_twice_does_nothing_more(self, rig: AppsRig) -> None:
        run(rig, rig.spec_that_prints(b""))
        rig.apps.remove("app")
        rig.apps.remove("app")

    def test_one_that_somebody_else_removed_is_a_fault_to_wait_for(self, rig: AppsRig) -> None:
        start(rig, rig.spec_that_runs_on())
        rig.remove_behind_our_back("app")
        with pytest.raises(DockerError):
            rig.apps.wait("app", timeout=PATIENCE)
        with pytest.raises(DockerError):
            rig.apps.status("app")

    def test_one_that_somebody_else_removed_is_gone_for_a_release(self, rig: AppsRig) -> None:
        start(rig, rig.spec_that_runs_on())
        rig.remove_behind_our_back("app")
        rig.apps.remove("app")
        assert not rig.leftovers()
