"""One module or more per vendor API of the sandbox: paths, shapes, errors and billing as the contract has them."""
