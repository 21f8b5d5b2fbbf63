"""The console: pages made on the server, with a little htmx to follow what happens."""
