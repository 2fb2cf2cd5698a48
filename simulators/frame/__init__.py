"""What every simulated platform shares: door, clock, chance, faults, call log, state and control."""

from simulators.frame.calls import Call
from simulators.frame.control import Control
from simulators.frame.faults import Fault, Switch
from simulators.frame.platform import Action, Platform, Simulation
from simulators.frame.running import Running, running

__all__ = ["Action", "Call", "Control", "Fault", "Platform", "Running", "Simulation", "Switch", "running"]
