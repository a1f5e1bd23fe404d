"""Cards: what people see and press, made of neutral elements that each channel draws."""
