# Pilotwire. "make run" shows the main job, "make test" checks everything; both set up what they need.

PYTHON ?= python3
# Another MicroPython unix port: make test MICROPYTHON=/path/to/micropython
MICROPYTHON ?= $(CURDIR)/.venv/bin/micropython
export MICROPYTHON
# A 32-bit one given by hand is not fetched, one with the ESP32's options not built.
ifeq ($(MICROPYTHON32),)
MICROPYTHON32 := $(CURDIR)/build/micropython32/micropython32
FETCH := build/micropython32.stamp
endif
ifeq ($(MICROPYTHON_ESP),)
MICROPYTHON_ESP := $(CURDIR)/build/micropython-esp/micropython-esp
FETCH += build/micropython-esp.stamp
endif
export MICROPYTHON32 MICROPYTHON_ESP

BIN := .venv/bin
VENV := .venv/stamp
HOST := PYTHONPATH=tools $(BIN)/python -m

# What a person says of a board or a unit. The tools get it as it was typed, by the environment:
# neither make ($) nor a shell (quotes) reads it. SET takes any other field: SET="max_mA=16000 log=3".
SAID := PORT IMAGE SSID WIFI_PASSWORD URL ID KEY BOARD PAGE SET FILE OFFSET SIZE CHIP SIGN_KEY
$(foreach v,$(SAID),$(if $(filter undefined,$(origin $v)),,$(eval override $v := $$(value $v))))
export $(SAID)

.PHONY: help setup build romfs release run pictures test unit system bench prove mutants lint format clean \
    erase micropython deploy config repl logs backup doctor image
.DELETE_ON_ERROR:

help:           ## This list
	@sed -n 's/^VERSION = "\(.*\)"$$/Pilotwire \1, charge-point firmware; what make can do:/p' firmware/version.py
	@sed -n 's/^\([a-z]*\):.*## */\1	/p' Makefile | while IFS='	' read -r t d; do printf '  make %-12s %s\n' "$$t" "$$d"; done

setup: $(VENV) $(FETCH)  ## The virtual environment (.venv) and two 32-bit MicroPythons (build/)
	@:

build: $(VENV)  ## Compile what goes on the board into build/firmware
	@$(HOST) host.build --sizes

romfs: $(VENV)  ## The same as one image, build/firmware.romfs, that a board runs in place
	@$(HOST) host.romfs

release: $(VENV)  ## What units take over the network: build/pilotwire-VERSION.upd (SIGN_KEY=key.pem, CHIP)
	@$(HOST) host.release

image: $(VENV)  ## One file for esptool, firmware and config in it (URL, ID, ...; OFFSET, SIZE), MicroPython too (IMAGE)
	@$(HOST) host.image

erase: $(VENV)  ## Erase the chip at PORT, everything on it
	@$(HOST) host.board erase

micropython: $(VENV)  ## Write MicroPython (IMAGE=FILE.bin) to the chip at PORT
	@$(HOST) host.board micropython

deploy: $(VENV)  ## Bring the board at PORT up to this build; only what has changed is sent
	@$(HOST) host.deploy

config: $(VENV)  ## The unit's config.json: asks, or takes SSID, WIFI_PASSWORD, URL, ID, KEY, BOARD, PAGE, SET
	@$(HOST) host.unit_config

doctor: $(VENV)  ## What is wrong with the board at PORT, and what to do about it
	@$(HOST) host.doctor

repl: $(VENV)   ## The console of the board at PORT; Ctrl-C stops the firmware, Ctrl-] leaves
	@$(HOST) host.board repl

logs: $(VENV)   ## What the board at PORT says, without stopping it; Ctrl-C ends
	@$(HOST) host.board logs

backup: $(VENV)  ## Copy config, profiles and journal of the board at PORT to build/backup-DATE
	@$(HOST) host.board backup

run: setup      ## The main job as a demonstration of two to three minutes; OCPP=2.0.1: in that; WATCH=1: stays
	@$(HOST) host.demo

pictures: setup  ## Those of the README, in docs/: the page and the plan of such a day, in Chromium
	@$(HOST) host.pictures

# Twice as many processes as cores (two): much of it is waiting. What stays together: conftest.py.
SHARED := -n 4 --dist loadfile
test: lint      ## Lint and every test layer
	@$(BIN)/pytest $(SHARED)

unit: setup     ## The unit tests only: on 32-bit MicroPython, some on two others too
	@$(BIN)/pytest $(SHARED) tests/unit

system: setup   ## The system tests only: the whole firmware against a Central System
	@$(BIN)/pytest $(SHARED) tests/system

bench: setup    ## Sizes and speeds as JSON
	@$(HOST) bench

# Sweeps of which make test runs the share that its seed picks (share, in rig.py and station_driver.py)
SLOW := bench board_tools prove station_clock station_crash station_electrical station_reason station_metering upki
ALL := power_cuts day fitting evse_faults meter_lies journal car sampling
prove: setup    ## Millions of limits, events at the plug, frames and messages against oracles and a monitor
	@$(BIN)/python -m tests.prove
	@$(BIN)/python -m tests.prove.power
	@$(BIN)/python -m tests.prove_evse
	@$(BIN)/python -m tests.prove_link
	@$(BIN)/python -m tests.prove_link.messages
	@$(BIN)/python -m tests.prove_link.soak
	@PILOTWIRE_ALL=1 $(BIN)/pytest -q -n 2 $(ALL:%=tests/unit/mp_%.py) -m mp32
	@PILOTWIRE_ALL=1 $(BIN)/pytest -q -n 2 $(SLOW:%=tests/system/test_%.py) \
	    -k "in_the_middle or no_wifi or broken_policy or lies or another_register or flaw or every_measurement or while_charging or any_other_task or clock_is_the_hosts or upki"

mutants: setup  ## Are the tests sharp? 150 small faults, each of which a test must catch (N="3 7-20")
	@nice -n 10 $(BIN)/python -m tests.mutants $(N)

lint: setup     ## ruff check and ruff format --check; is package.json true?
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'Not formatted (make format mends it):' >&2; $(BIN)/ruff format --check >&2; }
	@$(HOST) host.packages --check

format: $(VENV)  ## Sort the imports and format; package.json
	@$(BIN)/ruff check --quiet --select I --fix
	@$(BIN)/ruff format --quiet
	@$(HOST) host.packages

clean:          ## Remove everything that setup and build made
	rm -rf .venv build .pytest_cache .ruff_cache
	find . -path ./.git -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(VENV): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo 'Python 3.10 or newer is needed: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo '$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }; \
	    echo 'Making .venv ...'; $(PYTHON) -m venv --clear .venv; }
	@echo 'Installing requirements.txt ...'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@

# Exit 3: this machine cannot have it; not tried again until the script changes. Others may pass.
build/micropython32.stamp: tools/get-micropython
	@$(call get,mp32,micropython32)

build/micropython-esp.stamp: tools/get-micropython $(wildcard tools/chip-port/*)
	@echo 'Building a MicroPython with the ESP32'"'"'s options (a minute) ...'
	@$(call get,mpesp,micropython-esp)

define get
mkdir -p build; \
why=$$(tools/get-micropython $(1) build/$(2) 2>&1); rc=$$?; \
if [ $$rc = 0 ]; then echo "$$why"; \
elif [ "$$CI" = true ]; then echo "The $(1) MicroPython is required in CI: $$why" >&2; exit 1; \
else echo "Its tests will be skipped: $$why" >&2; fi; \
case $$rc in 0|3) touch $@;; esac
endef
