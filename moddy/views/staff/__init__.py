"""What support staff see: what customers see, and the ids, accounts and deliveries behind it."""
