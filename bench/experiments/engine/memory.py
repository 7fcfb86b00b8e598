"""Memory at hand: freed memory stays in the process, so that a timing is not the kernel's."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # <malloc.h> of the GNU C library
NEVER = -1


def keep_freed_memory() -> bool:
    """Have this process's allocator keep what is freed; True where it can (the GNU C library).

    Otherwise every large array begins with pages that the kernel has to find and clear. On a
    virtual machine that gives unused pages back to its host, finding them again takes several times
    as long as a conversion, and comes and goes from one minute to the next.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
