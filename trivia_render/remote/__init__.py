"""Images from servers: which hosts and addresses are asked, and what is taken from them."""
