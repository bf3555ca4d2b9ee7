"""``python -m llmsafe`` is the same program as ``llmsafe``."""

from llmsafe.cli.main import main

if __name__ == "__main__":
    main()
