"""What becomes of rulings after they were given: they are listed, edited and taken back."""
