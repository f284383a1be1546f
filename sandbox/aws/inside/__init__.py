"""What runs inside MiniStack's process: MiniStack, brought nearer to AWS where it matters here."""
