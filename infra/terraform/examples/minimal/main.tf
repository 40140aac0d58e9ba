# A complete deployment: what has no default is asked for, all else is as it comes.

provider "google" {
  project = var.project_id
  region  = var.region
  # Budgets belong to a billing account: their quota has to be said to be this project's.
  user_project_override = true
  billing_project       = var.project_id
}

module "trivia" {
  source = "../.."

  project_id      = var.project_id
  region          = var.region
  zones           = var.zones
  image           = var.image
  operators       = var.operators
  administrators  = var.administrators
  max_machines    = var.max_machines
  alert_email     = var.alert_email
  billing_account = var.billing_account
  budget          = var.budget
}
