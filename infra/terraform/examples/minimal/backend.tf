# Where the state is kept is said by `terraform init -backend-config=bucket=… -backend-config=prefix=…`.
terraform {
  backend "gcs" {}
}
