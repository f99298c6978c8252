"""May this domain, this person, use single sign-on?

model.py   Policy, Policies: pure values and the questions asked of them
parse.py   pure: YAML text -> Policy, or every problem at once
changes.py pure: what differs between two sets of them
edit.py    pure: one change to the text of a policy, every other character as it was
store.py   the snapshot in force; watches the folder and swaps one reference
"""
