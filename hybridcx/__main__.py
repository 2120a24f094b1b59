"""`python -m hybridcx` is the command `hybridcx`."""

from hybridcx.cli.app import main

if __name__ == "__main__":
    main()
