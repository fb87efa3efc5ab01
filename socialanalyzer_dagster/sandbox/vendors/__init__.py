"""One module per vendor API of the sandbox: paths, shapes, errors and billing exactly as the vendor's contract has them."""
