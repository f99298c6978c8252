"""Install what the tests need from outside Python, or say what to install."""
