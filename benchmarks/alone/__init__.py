"""Programs that run in processes of their own, so that nothing else is measured with them."""
