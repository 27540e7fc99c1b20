"""What people write for a few trials: `dvc exp run`, once for each learning rate."""

import subprocess
import sys

for rate in sys.argv[1:]:
    settings = ["-S", "crossval.folds=0", "-S", f"train.learning_rate={rate}"]
    subprocess.run(["dvc", "exp", "run", *settings], check=True)
