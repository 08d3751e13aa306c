"""Our tools, served to agents over the Model Context Protocol."""
