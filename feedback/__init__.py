"""What people asked, what they were answered and what they thought of it.

Stores and what is learned from them.
"""
