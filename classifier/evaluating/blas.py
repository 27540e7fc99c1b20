"""NumPy's matrix products, set up so that they give the same bits on any CPU with AVX2.

Import this before NumPy: what is set here counts only until OpenBLAS is loaded.
"""

import os
from pathlib import Path


def _has_avx2() -> bool:
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


# OpenBLAS chooses its kernels by the CPU, and splits a product by the number of threads. Either
# way sums are taken in another order.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
if _has_avx2():  # without it, these kernels are illegal instructions
    os.environ["OPENBLAS_CORETYPE"] = "Haswell"
