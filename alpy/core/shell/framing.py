# SPDX-License-Identifier: GPL-3.0-or-later
"""How a shell's answer is told from everything else that comes over a serial port.

Kernel messages come in between at any byte, the line typed comes back as an echo, and the line
end is translated. So the guest gets a few functions, made of the shell's builtins, which print an
answer with its length in front and its end behind; what does not fit is printed again.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from attrs import frozen

# Each line stays below 1023 bytes, which is all that the line editor of busybox takes. Variables:
# f the scratch files' common name, h the digest program, n a newline, c a carriage return, l the
# longest answer printed in place, o the output, s the exit code, w the file with the last output.
#
# A command writes to a file, not to a pipe: a program that it leaves running in the background
# would hold the pipe open. What looks like a frame, or has carriage returns that the line end
# can't be told from, is not printed (kind f) and has to be fetched. The numbers come again behind
# the text as complements, so that no stray digit can change both.
GUEST_FUNCTIONS: Final = (
    # Settle c, n, f and h.
    "_alpy_c=$(printf '\\r');_alpy_n=$(printf '\\nx');_alpy_n=${_alpy_n%x};"
    'for _alpy_f in /dev/shm /run /tmp /var/tmp "$HOME" .;do '
    '_alpy_f=$_alpy_f/.alpy-$$;(: >|"$_alpy_f.0") 2>/dev/null&&break;done;'
    "for _alpy_h in sha256sum md5sum cksum;do command -v $_alpy_h >/dev/null&&break;done",
    # Print the answer.
    "_alpy_p(){ local LC_ALL=C;_alpy_k=t;_alpy_x=$_alpy_o;"
    '[ ${#_alpy_o} -le $_alpy_l ]||_alpy_k=f;case $_alpy_o in *"$_alpy_c"*|*alpy.*)_alpy_k=f;;esac;'
    "[ $_alpy_k = t ]||_alpy_x=;set -- $1 $((1000-_alpy_s)) $((1000000-${#_alpy_x}));"
    "printf 'alpy.%s.%s.%s.%s<%s>alpy.%s.%s.%s.e\\n>alpy.%s.%s.%s.e\\n' $1 $_alpy_k $_alpy_s "
    '${#_alpy_x} "$_alpy_x" $1 $2 $3 $1 $2 $3;}',
    # Run a user's command.
    '_alpy(){ _alpy_e=$2;_alpy_w=$_alpy_f.$1;(set --;eval "$_alpy_e") >|"$_alpy_w" 2>&1 '
    '</dev/null;_alpy_s=$?;_alpy_o=;[ ! -s "$_alpy_w" ]||_alpy_r <"$_alpy_w";_alpy_l=8192;'
    "_alpy_p $1;}",
    # Read its output: a few lines by builtins, as to start a program takes much longer.
    "_alpy_r(){ local n=0 i=;while IFS= read -r i;do _alpy_o=$_alpy_o$i$_alpy_n;n=$((n+1));"
    "[ $n -lt 8 ]||{ _alpy_o=$_alpy_o$(cat;echo x);_alpy_o=${_alpy_o%x};return;};done;"
    "_alpy_o=$_alpy_o$i;} 2>/dev/null",
    # Answer a question of ours. Its fd 3 is the terminal.
    '_alpy_q(){ { _alpy_o=$(eval "$2" 2>&1);_alpy_s=$?;} 3>&1;_alpy_l=900000;_alpy_p $1;}',
    # Compare the digest of the file $2, or of the scratch file. Read $3 raw bytes with digest $4
    # there, $2 at a time, the terminal's settings being $5; what can't be written is read all the
    # same, or the shell would take it for commands. Add to the scratch file from a typed line.
    '_alpy_d(){ set -- $1 $($_alpy_h <"${2-$_alpy_f.b}");[ "$1" = "$2" ];}',
    "_alpy_u(){ stty raw -echo;_alpy_i=0;_alpy_m=$3;while [ $_alpy_m -gt 0 ];do "
    "printf 'alpygo.%s.%s.\\n' $1 $_alpy_i $1 $_alpy_i $1 $_alpy_i >&3;"
    "[ $_alpy_m -ge $2 ]||set -- $1 $_alpy_m $3 $4 $5;"
    "head -c $2||{ head -c $2 >/dev/null;break;};"
    '_alpy_m=$((_alpy_m-$2));_alpy_i=$((_alpy_i+1));done >|"$_alpy_f.b";stty $5;_alpy_d $4;}',
    '_alpy_v(){ printf %b "$2" >>"$_alpy_f.b";_alpy_s=$?;_alpy_o=;_alpy_l=0;_alpy_p $1;}',
)

# A shell that was prepared before, perhaps in the state that was saved, has these already.
VERSION: Final = sha256("\n".join(GUEST_FUNCTIONS).encode()).hexdigest()[:8]

# Asks for f, h, and the programs that a transfer can use.
SELF_DESCRIPTION: Final = (
    'printf "%s\\n" "$_alpy_f" $_alpy_h;for i in stty head gzip base64;do '
    "command -v $i >/dev/null&&echo $i;done;:"
)

# A command longer than this, as typed, is sent as a file.
TYPED_LIMIT: Final = 700

_BARE = re.compile(r"[A-Za-z0-9_/.,:@%+-]+")
_PLAIN = re.compile(r"[ -&(-~]*")
_UNSAFE = re.compile(rb"[^A-Za-z0-9 _/:=,@%+-]")
# In the middle of a line, and on a line of its own.
_KERNEL_MESSAGES = (
    re.compile(r"\[ *\d+\.\d{6}\][^\n]*\n"),
    re.compile(r"\r?\n\[ *\d+\.\d{6}\][^\n]*\n"),
)


@frozen(kw_only=True)
class Answer:
    """What the guest answered. If it is not *in_place*, the output is to be fetched."""

    status: int
    text: str
    in_place: bool = True


def end_pattern(number: int) -> str:
    """The regular expression that shows that answer *number* was printed."""
    return rf">alpy\.{number}\.(\d+)\.(\d+)\.e"


def go_pattern(number: int, block: int) -> str:
    """The regular expression that shows that the guest reads a *block* of raw bytes, from 0 on."""
    return rf"alpygo\.{number}\.{block}\."


def is_begun(number: int, seen: str) -> bool:
    """Whether *seen* holds a part of answer *number*: its end may be lost in a message."""
    return f"alpy.{number}." in seen


def parse(number: int, received: str) -> Answer | None:
    """Answer *number*, exactly as the guest meant it, or None: then ask again."""
    parts = _parts(number, received)
    if parts is None:
        return None
    kind, status, length, text = parts
    if "\r" in text or len(text.encode()) != length:
        return None
    return Answer(status=status, text=text, in_place=kind == "t")


def guess(number: int, received: str) -> Answer | None:
    """Answer *number* with what looks like kernel messages left out. To be checked by a digest."""
    for message in _KERNEL_MESSAGES:
        answer = parse(number, message.sub("", received))
        if answer is not None:
            return answer
    return None


def _parts(number: int, received: str) -> tuple[str, int, int, str] | None:
    received = received.replace("\r\n", "\n")
    begin = re.search(rf"alpy\.{number}\.([tf])\.(\d+)\.(\d+)<", received)
    if begin is None:
        return None
    end = re.compile(end_pattern(number)).search(received, begin.end())
    if end is None:
        return None
    status, length = int(begin[2]), int(begin[3])
    if (1000 - status, 1_000_000 - length) != (int(end[1]), int(end[2])):
        return None
    return begin[1], status, length, received[begin.end() : end.start()]


def quoted(text: str) -> str:
    """*text* as one word for the guest's shell, of characters that no line editor acts on."""
    # A mark in what is typed would come back in its echo.
    if _PLAIN.fullmatch(text) and "alpy." not in text:
        return text if _BARE.fullmatch(text) else f"'{text}'"
    return f"\"$(printf %b '{octal(text.encode())}')\""


def octal(data: bytes) -> str:
    """*data* as the argument that `printf %b` turns back into it."""
    return _UNSAFE.sub(lambda match: b"\\0%03o" % match.group()[0], data).decode()
