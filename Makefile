# The two commands are demo and test. Each installs what it misses, and names it.

.PHONY: help demo test bench coverage clean

help:
	@echo "make demo   raise the container topology, apply the port table, show who reaches what"
	@echo "make test   run every check and test; STEPS='unit lint' runs the steps whose names begin so"
	@echo "make bench  measure run times against the floor and against other modules"
	@echo "make coverage  measure what the tests without containers execute; the report is in .cache/coverage"
	@echo "make clean  remove the containers, networks, images and environments that the others made"

demo:
	@tests/tools/setup demo
	@tests/tools/with-env tests/tools/demo

test:
	@tests/tools/setup test
	@tests/tools/with-env tests/tools/run-tests $(STEPS)

bench:
	@tests/tools/setup demo
	@tests/tools/with-env python tests/bench/bench.py

coverage:
	@tests/tools/setup test
	@tests/tools/with-env coverage run -m pytest -q tests/unit
	@tests/tools/with-env coverage html --quiet
	@tests/tools/with-env coverage report

clean:
	@tests/tools/with-env tests/tools/clean
