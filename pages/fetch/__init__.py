"""Addresses → bytes, through checked connections only."""
