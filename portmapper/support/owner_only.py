"""Files that only their owner can read, on Windows too, where the mode of a new file has no effect."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

_DACL_SECURITY_INFORMATION = 0x4
_PROTECTED = 0x80000000
_TOKEN_QUERY = 0x8
_TOKEN_USER = 1
_SDDL_REVISION = 1
_MAX_TOKEN = 256
"""Bytes of a TOKEN_USER with the longest security identifier are fewer."""


def access_list(owner: str) -> str:
    """Return the access list in SDDL: full access for a security identifier, SYSTEM and administrators.

    The list is protected, so the file inherits no rights from its directory. Backup programs and services
    need the two accounts, and administrators could take the file anyway.
    """
    return "D:P" + "".join(f"(A;;FA;;;{account})" for account in (owner, "SY", "BA"))


def restrict_to_owner(path: Path) -> None:
    """Let only the user of this process read a new file. Elsewhere than on Windows, the mode does that.

    Raises:
        OSError: the access list cannot be set.
    """
    if sys.platform == "win32":
        _set_access_list(path, access_list(_own_identifier()))


if sys.platform == "win32":

    def _own_identifier() -> str:
        """Return the security identifier of the user of this process."""
        kernel, advapi = _library("kernel32"), _library("advapi32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        token = wintypes.HANDLE()
        process = wintypes.HANDLE(kernel.GetCurrentProcess())
        _check(advapi.OpenProcessToken(process, _TOKEN_QUERY, ctypes.byref(token)))
        try:
            user, size = ctypes.create_string_buffer(_MAX_TOKEN), wintypes.DWORD()
            _check(advapi.GetTokenInformation(token, _TOKEN_USER, user, _MAX_TOKEN, ctypes.byref(size)))
        finally:
            kernel.CloseHandle(token)
        text = wintypes.LPWSTR()
        identifier = ctypes.c_void_p.from_buffer(user)  # the first field of TOKEN_USER
        _check(advapi.ConvertSidToStringSidW(identifier, ctypes.byref(text)))
        try:
            return str(text.value)
        finally:
            kernel.LocalFree(ctypes.cast(text, ctypes.c_void_p))

    def _set_access_list(path: Path, text: str) -> None:
        kernel, advapi = _library("kernel32"), _library("advapi32")
        descriptor = ctypes.c_void_p()
        _check(
            advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                wintypes.LPCWSTR(text), _SDDL_REVISION, ctypes.byref(descriptor), None
            )
        )
        try:
            what = wintypes.DWORD(_DACL_SECURITY_INFORMATION | _PROTECTED)
            _check(advapi.SetFileSecurityW(wintypes.LPCWSTR(str(path)), what, descriptor))
        finally:
            kernel.LocalFree(descriptor)

    def _library(name: str) -> ctypes.WinDLL:
        return ctypes.WinDLL(name, use_last_error=True)

    def _check(succeeded: int) -> None:
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())
