"""DVC's own queue: a trial for each learning rate, run by two of its workers."""

import subprocess
import sys

settings = ["-S", "crossval.folds=0", "-S", f"train.learning_rate={','.join(sys.argv[1:])}"]
subprocess.run(["dvc", "exp", "run", "--queue", *settings], check=True)
# `dvc queue start -j 2`, and wait for the end
subprocess.run(["dvc", "exp", "run", "--run-all", "--jobs", "2"], check=True)
