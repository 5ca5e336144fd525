"""Users, their tokens, and the REST and GraphQL APIs over them."""
