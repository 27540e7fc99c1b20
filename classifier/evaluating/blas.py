"""NumPy's matrix products, set up so that they give the same bits on any CPU.

Import this before NumPy: what is set here counts only until OpenBLAS is loaded.
"""

import os
import platform

# OpenBLAS chooses its kernels by the CPU, and splits a product by the number of threads. Either
# way sums are taken in another order.
FLAGS = {"OPENBLAS_NUM_THREADS": "1"}
if platform.machine() == "x86_64":
    FLAGS["OPENBLAS_CORETYPE"] = "Haswell"  # needs what the flags of TensorFlow need: AVX2
os.environ.update(FLAGS)
