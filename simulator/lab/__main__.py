"""`python -m simulator.lab`: the demo."""

import sys

from simulator.lab.demo import main

sys.exit(main())
