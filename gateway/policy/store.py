"""The policies in force: one snapshot, swapped by one assignment when the folder changes."""
