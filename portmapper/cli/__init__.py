"""The command line: parses options, calls the packages below, and prints results.

Input: command-line arguments and the terminal.
Output: text or JSON, and an exit status. This package may import every other package, and no package imports
it. To keep startup fast, it imports rich and other heavy libraries only when it draws a screen.
"""
