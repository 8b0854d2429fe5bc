"""__init__.py - the modules of GDB's door; refheap_gdb.py loads them, anew whenever it is sourced."""
