"""Bad input and bad weather through the real stacks: ``make weather`` prints case, promised, seen."""
