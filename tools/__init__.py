"""What developers and builds run, and the gateway never does.

compile.py        the hot modules of gateway/ become machine code
reasons_page.py   docs/reasons.md, from the reasons in the code
"""
