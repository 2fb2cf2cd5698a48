"""What is deployed. Imports aws_cdk only: it never imports the code that it deploys."""
