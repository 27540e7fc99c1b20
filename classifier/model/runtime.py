"""TensorFlow and Keras, set up so that the same inputs give the same bits on any machine.

Import `keras` and `tf` from here and nowhere else: what is set below counts only when it is set
before TensorFlow is first imported.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from classifier.base.standard_streams import open_closed_streams

# Recorded with each model, in metrics/environment.json.
FLAGS = {
    # Matrix products by oneDNN, with instructions that every x86-64 CPU since about 2015 has.
    # Without oneDNN, or with AVX-512 where there is some, sums are taken in another order.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # YNNPACK too picks its instructions by the CPU.
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    # On a GPU they are taken in yet another one.
    "CUDA_VISIBLE_DEVICES": "-1",
}
# Each has dozens of settings, and some change the bits, such as TF_XLA_FLAGS.
_SETTINGS = ("DNNL_", "KERAS_", "ONEDNN_", "TF_", "XLA_")
for _name in [name for name in os.environ if name.startswith(_SETTINGS)]:
    del os.environ[_name]
os.environ.update(
    FLAGS,
    # A keras.json in the home folder could change the float type.
    KERAS_HOME=os.devnull,
    KERAS_BACKEND="tensorflow",
    TF_CPP_MIN_LOG_LEVEL="3",
)
# A large matrix product is split by the number of threads, and its last bits with it.
THREADS = 2


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Hold back what TensorFlow's C++ code prints while it loads; show it if loading fails."""
    open_closed_streams()
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


with _quiet_import():
    import keras
    import tensorflow as tf

tf.get_logger().setLevel("ERROR")  # it warns of folds whose sizes differ
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
# Operations of a small network are shorter than a change of threads.
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.experimental.enable_op_determinism()

__all__ = ["FLAGS", "THREADS", "keras", "tf"]
