"""What users and programs can see: events, status documents, logs, metrics.

What comes in: events of the scheduler, and the scheduler's state on request.
What goes out: journal rows, log lines, calls to observers, and the documents that `status` prints. This
package changes no mapping.
"""
