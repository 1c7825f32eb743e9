"""Tools of the project's own making: the deployment package and its bill of materials."""
