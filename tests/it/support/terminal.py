"""Runs a command on a terminal of its own: terminal.py QUESTION ANSWER ... -- COMMAND ...

Every answer is typed once its question was seen. Prints all that the terminal showed; the status is
the command's, or 99 where a question was not asked."""

import os
import pty
import select
import sys
import time

end = sys.argv.index("--")
talk = sys.argv[1:end]
pairs = list(zip(talk[::2], talk[1::2]))
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])
shown, searched, deadline = b"", 0, time.time() + 60
while time.time() < deadline:
    if select.select([terminal], [], [], 1)[0]:
        try:
            read = os.read(terminal, 4096)
        except OSError:
            break
        if not read:
            break
        shown += read
    if pairs and (at := shown.find(pairs[0][0].encode(), searched)) >= 0:
        searched = at + len(pairs[0][0])
        # it may flush what was typed before it asked
        time.sleep(0.1)
        os.write(terminal, pairs.pop(0)[1].encode() + b"\n")
sys.stdout.write(shown.decode(errors="replace"))
sys.stdout.flush()
if pairs:
    print("never asked:", *[question for question, _ in pairs])
    sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
