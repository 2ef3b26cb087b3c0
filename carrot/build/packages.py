# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages as files: which sources to ask, and one archive of what was asked for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from carrot.build.host_programs import BuildError, run_program

# Third parties often use the release's name as theirs, but sign with a key of their own.
_OFFICIAL_KEY: Final = re.compile(r"(debian|ubuntu)-archive-")
# What a host's configuration says about the way to its mirrors.
_NETWORK_OPTION: Final = re.compile(r"Acquire::(https?|Check-|Retries|ForceIPv)")
_ONE_LINE_SOURCE: Final = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<rest>\S.*)")


@frozen(kw_only=True)
class Distribution:
    """The release that packages come from: the host's own."""

    name: str
    codename: str
    architecture: str


@frozen(kw_only=True)
class Source:
    """One place of packages, as in a line of sources.list."""

    uri: str
    suite: str
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    def line(self) -> str:
        options = " ".join(f"{key}={value}" for key, value in self.options)
        middle = [f"[{options}]"] if options else []
        return " ".join(["deb", *middle, self.uri, self.suite, *self.components])


def distribution_of(os_release: str, architecture: str) -> Distribution:
    """The distribution that the text of /etc/os-release names.

    Raises:
        BuildError: it names no release, or the architecture is not amd64.
    """
    facts = {
        key: value.strip().strip("\"'")
        for key, _, value in (line.partition("=") for line in os_release.splitlines())
    }
    codename = facts.get("VERSION_CODENAME", "")
    if facts.get("ID") not in {"debian", "ubuntu"} or not codename:
        raise BuildError(
            f"builds take packages of Debian or Ubuntu, but this host is {facts.get('ID', 'none')} "
            f"{codename or 'without a codename'}; build on one of these, or in a container of one"
        )
    if architecture != "amd64":
        raise BuildError(f"builds are for amd64 only, but this host is {architecture}")
    return Distribution(name=facts["ID"], codename=codename, architecture=architecture)


def host_distribution() -> Distribution:
    """The distribution that this host runs."""
    try:
        os_release = Path("/etc/os-release").read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise BuildError("this host has no /etc/os-release to tell its distribution") from exc
    architecture = run_program(["dpkg", "--print-architecture"]).decode().strip()
    return distribution_of(os_release, architecture)


def official_sources(configuration: Mapping[str, str], codename: str) -> list[Source]:
    """The distribution's own sources among the host's; *configuration* is text by file name.

    Raises:
        BuildError: there is none.
    """
    sources: list[Source] = []
    for name, text in sorted(configuration.items()):
        found = _stanza_sources(text) if name.endswith(".sources") else _line_sources(text)
        sources += [source for source in found if _is_official(source, codename)]
    if not sources:
        raise BuildError(
            f"/etc/apt names no source of {codename} with component main; add your distribution's "
            f"archive: 'deb URL {codename} main' in /etc/apt/sources.list"
        )
    return list(dict.fromkeys(sources))


def _is_official(source: Source, codename: str) -> bool:
    suites = {codename, f"{codename}-updates", f"{codename}-security", f"{codename}/updates"}
    keys = dict(source.options).get("signed-by")
    return (
        source.suite in suites
        and "main" in source.components
        and (keys is None or _OFFICIAL_KEY.search(keys) is not None)
    )


def _line_sources(text: str) -> Iterable[Source]:
    for line in text.splitlines():
        match = _ONE_LINE_SOURCE.fullmatch(line.partition("#")[0].strip())
        if match is None:
            continue
        uri, *rest = match["rest"].split()
        if not rest:
            continue
        pairs = (option.partition("=") for option in (match["options"] or "").split())
        yield Source(
            uri=uri,
            suite=rest[0],
            components=tuple(rest[1:]),
            options=tuple((key.lower(), value) for key, _, value in pairs),
        )


def _stanza_sources(text: str) -> Iterable[Source]:
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields = _stanza_fields(stanza)
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if not enabled or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri=uri,
                    suite=suite,
                    components=tuple(fields.get("components", "").split()),
                    options=_stanza_options(fields),
                )


def _stanza_fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        if line[:1].isspace():
            fields[key] = f"{fields.get(key, '')}\n{line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            fields[key] = value.strip()
    return fields


def _stanza_options(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A key that stands in the stanza itself has no place in a line: apt finds its own then."""
    return tuple(
        (key, ",".join(fields[key].split()))
        for key in ("signed-by", "trusted")
        if key in fields and "\n" not in fields[key]
    )


def host_sources(codename: str) -> list[Source]:
    """The distribution's own sources in this host's /etc/apt."""
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    return official_sources(
        {
            path.name: path.read_text(encoding="utf-8", errors="replace")
            for path in files
            if path.suffix in {".list", ".sources"} and path.is_file()
        },
        codename,
    )


def network_options(apt_configuration: str) -> list[str]:
    """The options of `apt-config dump` that say how to reach the mirrors."""
    return [line for line in apt_configuration.splitlines() if _NETWORK_OPTION.match(line)]


def fetch_packages(packages: Sequence[str], distribution: Distribution, archive: Path) -> None:
    """Write the files of *packages*, and of what they depend on, to the tar file *archive*.

    Nothing is installed and no package's script runs, so any user can do it.

    Raises:
        BuildError: no source, no mmdebstrap, no network, or no such package.
    """
    options = network_options(run_program(["apt-config", "dump"]).decode(errors="replace"))
    run_program(
        [
            "mmdebstrap",
            "--variant=extract",
            # Needs neither root nor user namespaces; the check fears package scripts as root.
            "--mode=chrootless",
            "--skip=check/chrootless",
            f"--architectures={distribution.architecture}",
            f"--include={','.join(packages)}",
            *(f"--aptopt={option}" for option in options),
            distribution.codename,
            str(archive),
            *(source.line() for source in host_sources(distribution.codename)),
        ],
        # The half gigabyte that a killed build leaves is swept with the rest then.
        environment={"TMPDIR": str(archive.parent)},
    )
