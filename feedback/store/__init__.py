"""Where everything is kept: SQLite, Cosmos DB, and the queue while that is away."""
