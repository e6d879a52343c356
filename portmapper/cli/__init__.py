"""The command line: parses options, calls the packages below, prints results.

What comes in: arguments, and the terminal.
What goes out: text or JSON, and an exit status of the contract. It imports every package, and no package
imports it. rich and other heavy libraries are imported only when a screen is shown.
"""
