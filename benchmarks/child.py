"""Run a command; print, as the last line, its seconds and the peak of its memory in bytes.

A process starts with the peak of the one that forked it, so that is this one, as small as can be.
"""

import resource
import subprocess
import sys
import time

start = time.perf_counter()
status = subprocess.call(sys.argv[1:])
seconds = time.perf_counter() - start
print(f"\n{seconds} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}")
sys.exit(status)
