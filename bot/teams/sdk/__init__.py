"""The library of the Bot Framework behind its seam: one module a library, and nothing else imports it."""
