"""What users and programs can see: events, status documents, logs, metrics.

What comes in: events of the scheduler, and its state when somebody asks for it.
What goes out: journal rows, log lines, calls to observers, and the documents that `status` prints. Nothing
here changes a mapping.
"""
