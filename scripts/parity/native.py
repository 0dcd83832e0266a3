"""Hides bitsandbytes' CPU library, as on a platform that has none. Call before importing bitsandbytes."""

import ctypes


def hide_native_library():
    load = ctypes.cdll.LoadLibrary

    def guarded(name):
        if "libbitsandbytes" in str(name):
            raise OSError("hidden")
        return load(name)

    ctypes.cdll.LoadLibrary = guarded
