"""What those who change the project run beside its tests."""
