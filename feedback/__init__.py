"""What people asked, what they were answered and what they thought of it: stores and what is learned from them."""
