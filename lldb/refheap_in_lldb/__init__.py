"""__init__.py - the modules of LLDB's door; refheap_lldb.py loads them, anew whenever it is imported."""
