"""The chat page, the dashboard and the viewer of pages: what a browser meets."""
