"""The sources `file` and `stdin`, and the formats CSV, JSON and TOML.

`file` and `stdin` are the sources, `watcher` reports changes of a file, `bounded_read` reads a descriptor up
to the maximum size; `csv_format`, `json_format` and `toml_format` parse documents into rows. `json_causes`,
`json_causes` and `other_content` say what is wrong with a document that none of them can parse.
"""
