"""Pictures that somebody sends to stop whoever decodes them."""
